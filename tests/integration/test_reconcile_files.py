"""`openai reconcile` deletes the input files that are ours and of no more use, and no others."""

import pytest

from generation_service.pipeline import pack, probe, submit
from tests.integration.operator import done, newest, read
from tests.integration.stages import go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def misbehave(world, on, do, **more):
    world.simulator.rules.add({"on": on, "do": do, "times": 1, **more})


def files(world):
    return {file.id for file in world.resources.openai.list_files()}


def test_input_files_of_settled_batches_are_deleted_and_output_files_stay(world):
    world.finish(world.accept(world.lots(2), ["en", "ru"]))
    states = list(world.resources.openai.list_batches())
    assert files(world) == {state.input_file_id for state in states}
    assert len(read(world, "openai", "reconcile", "--dry-run")["deleted_files"]) == 2
    assert len(files(world)) == 2
    assert len(read(world, "openai", "reconcile")["deleted_files"]) == 2
    assert files(world) == set()
    for state in states:
        assert list(world.resources.openai.file_lines(state.output_file_id))
    assert read(world, "openai", "reconcile")["deleted_files"] == []


def test_a_file_that_openai_still_works_from_stays(world):
    misbehave(world, "batch", "stall")
    misbehave(world, "retrieve", "status", status=404)
    world.accept(world.lots(2))
    for stage in (probe, pack, submit):
        stage.tick(world.resources, go_on)
    world.execute("UPDATE openai_batches SET status = 'settled', settled_at = now()")
    world.execute("UPDATE descriptions SET openai_batch = NULL, status = 'queued'")
    world.execute("DELETE FROM job_openai_batches")
    assert read(world, "openai", "reconcile")["deleted_files"] == []
    assert newest(world)["input_file_id"] in files(world)


def test_a_file_that_cannot_be_deleted_is_named_and_tried_again_next_time(world):
    world.finish(world.accept(world.lots(2), ["en"]))
    misbehave(world, "delete", "status", status=409, message="Not now.")
    found = read(world, "openai", "reconcile")
    assert found["left"] == [{"id": newest(world)["input_file_id"], "reason": "HTTP 409: Not now."}]
    assert len(read(world, "openai", "reconcile")["deleted_files"]) == 1


def test_a_server_that_lists_no_files_is_reconciled_all_the_same(world):
    world.finish(world.accept(world.lots(2), ["en"]))
    misbehave(world, "files", "status", status=404)
    assert "Left the list of files: HTTP 404" in done(world, "openai", "reconcile")
    assert files(world) == set()
