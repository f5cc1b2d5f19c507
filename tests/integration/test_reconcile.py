"""`openai reconcile`: what is ours is adopted, told or deleted; what is not ours is left alone."""

from io import BytesIO

import pytest

from generation_service.core.openai_batch import METADATA_BATCH, METADATA_DEPLOYMENT
from generation_service.core.status import JobStatus
from generation_service.pipeline import pack, probe, submit
from tests.integration.operator import done, read, refused, run
from tests.integration.stages import go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def misbehave(world, on, do, **more):
    world.simulator.rules.add({"on": on, "do": do, "times": 1, **more})


def bring(world):
    """One try of whoever finds the OpenAI batch due."""
    world.execute(
        "UPDATE openai_batches SET next_try_at = now(), lease_expires_at = now() - interval '1 s'"
    )
    assert submit.tick(world.resources, go_on)


def packed(world):
    job_id = world.accept(world.lots(3), ["en"])
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)
    return job_id


@pytest.fixture
def unclear(world):
    """A job whose batch was created at OpenAI, though the answer to the creation was lost."""
    misbehave(world, "create", "reset_after")
    job_id = packed(world)
    bring(world)
    return job_id


def row(world):
    (found,) = world.rows("SELECT * FROM openai_batches")
    return found


def at_openai(world):
    return list(world.resources.openai.list_batches())


def uploaded(world, text='{"custom_id": "1-1"}\n'):
    content = BytesIO(text.encode())
    return world.resources.openai.upload(
        content, name="openai-batch-theirs.jsonl", expires_after_days=1
    )


def copied(world, state, metadata=None):
    """Another batch at OpenAI with the lines of this one, in a file of its own."""
    openai = world.resources.openai
    lines = b"\n".join(openai.file_lines(state.input_file_id)).decode()
    file_id = uploaded(world, lines)
    return openai.create_batch(
        input_file_id=file_id, metadata=state.metadata if metadata is None else metadata
    )


def files(world):
    return {file.id for file in world.resources.openai.list_files()}


def test_a_batch_that_a_row_waits_for_is_adopted_and_its_job_goes_on(world, unclear):
    (created,) = at_openai(world)
    found = read(world, "openai", "reconcile")
    assert [each["openai_batch"] for each in found["adopted"]] == [created.id]
    assert (row(world)["status"], row(world)["openai_id"]) == ("submitted", created.id)
    assert world.finish(unclear).status is JobStatus.COMPLETED
    assert len(world.billed()) == len(set(world.billed())) == 3


def test_it_is_told_in_words(world, unclear):
    (created,) = at_openai(world)
    assert done(world, "openai", "reconcile").splitlines() == [
        "0 OpenAI batches known to our rows.",
        "1 OpenAI batch adopted:",
        f"  {created.id} (row {row(world)['id']})",
        "0 OpenAI batches of strangers, left alone.",
        "0 files called like ours that no row names, left alone.",
        "0 input files of settled batches deleted.",
    ]
    assert world.job(unclear).run == 1


@pytest.mark.usefixtures("unclear")
def test_a_row_that_has_fallen_back_to_building_adopts_too(world):
    world.execute("UPDATE openai_batches SET status = 'building', input_file_id = NULL")
    done(world, "openai", "reconcile")
    (created,) = at_openai(world)
    found = row(world)
    assert (found["status"], found["input_file_id"]) == ("submitted", created.input_file_id)


@pytest.mark.usefixtures("unclear")
def test_a_server_that_keeps_no_metadata_is_understood_by_the_input_file(world):
    misbehave(world, "list", "no_metadata")
    done(world, "openai", "reconcile")
    assert row(world)["status"] == "submitted"


@pytest.mark.usefixtures("unclear")
def test_a_dry_run_tells_and_changes_nothing(world):
    said = done(world, "openai", "reconcile", "--dry-run")
    assert "1 OpenAI batch would be adopted:" in said
    assert row(world)["status"] == "uploaded"


@pytest.mark.usefixtures("unclear")
def test_a_row_that_the_service_works_on_is_left_to_it(world):
    world.execute(
        "UPDATE openai_batches SET lease_token = gen_random_uuid(),"
        " lease_expires_at = now() + interval '1 hour'"
    )
    assert "the service is working on its row" in done(world, "openai", "reconcile")
    assert row(world)["status"] == "uploaded"


@pytest.mark.usefixtures("unclear")
def test_a_creation_from_another_file_that_is_still_under_way_is_fenced_off(world):
    other = uploaded(world)
    world.execute(f"UPDATE openai_batches SET input_file_id = '{other}'")
    done(world, "openai", "reconcile")
    assert other not in files(world)
    assert row(world)["input_file_id"] in files(world)


def test_a_second_batch_of_a_row_is_told_loudly_and_left_running(world):
    misbehave(world, "batch", "stall")
    job_id = packed(world)
    bring(world)
    (first,) = at_openai(world)
    misbehave(world, "batch", "stall")
    second = copied(world, first)
    result = run(world, "openai", "reconcile")
    assert result.stderr.startswith(f"DUPLICATE: {second.id} ")
    assert f"beside {first.id}" in result.stderr
    assert "--cancel-duplicates does that" in result.stdout
    assert {state.status for state in at_openai(world)} == {"in_progress"}
    world.simulator.rules.clear()
    assert world.finish(job_id).status is JobStatus.COMPLETED


def test_a_duplicate_is_cancelled_when_that_is_asked_for(world):
    misbehave(world, "batch", "stall", times=2)
    packed(world)
    bring(world)
    (first,) = at_openai(world)
    second = copied(world, first)
    assert read(world, "openai", "reconcile", "--cancel-duplicates", "--dry-run")["cancelled"]
    assert {state.status for state in at_openai(world)} == {"in_progress"}
    found = read(world, "openai", "reconcile", "--cancel-duplicates")
    assert [each["openai_batch"] for each in found["cancelled"]] == [second.id]
    newest, oldest = at_openai(world)
    assert (newest.id, newest.status in {"cancelling", "cancelled"}) == (second.id, True)
    assert (oldest.id, oldest.status) == (first.id, "in_progress")


def test_a_duplicate_that_has_ended_is_only_told(world):
    misbehave(world, "batch", "stall")
    packed(world)
    bring(world)
    (first,) = at_openai(world)
    second = copied(world, first)
    world.run_until(lambda: at_openai(world)[0].ended)
    found = read(world, "openai", "reconcile", "--cancel-duplicates")
    assert found["cancelled"] == []
    assert {"id": second.id, "reason": "it has ended already, as completed"} in found["left"]


def test_of_two_batches_for_a_waiting_row_the_one_of_its_file_is_adopted(world, unclear):
    (first,) = at_openai(world)
    second = copied(world, first)
    found = read(world, "openai", "reconcile")
    assert row(world)["openai_id"] == first.id
    assert [each["openai_batch"] for each in found["duplicates"]] == [second.id]
    assert world.finish(unclear).status is JobStatus.COMPLETED


def test_strangers_are_counted_listed_on_demand_and_never_touched(world):
    world.finish(world.accept(world.lots(2), ["en"]))
    (ours,) = at_openai(world)
    named = {METADATA_BATCH: ours.metadata[METADATA_BATCH], METADATA_DEPLOYMENT: "another"}
    theirs = [copied(world, ours, metadata) for metadata in ({}, named)]
    said = done(world, "openai", "reconcile", "--cancel-duplicates")
    assert "2 OpenAI batches of strangers, left alone.\n" in said
    assert "2 files called like ours that no row names, left alone.\n" in said
    assert theirs[0].id not in said
    verbose = done(world, "openai", "reconcile", "--verbose")
    assert all(state.id in verbose and state.input_file_id in verbose for state in theirs)
    assert {state.input_file_id for state in theirs} <= files(world)


def test_a_batch_of_ours_that_openai_does_not_know_is_named(world):
    misbehave(world, "batch", "vanish")
    packed(world)
    bring(world)
    found = read(world, "openai", "reconcile")
    assert found["unknown_to_openai"] == [row(world)["openai_id"]]


@pytest.mark.usefixtures("unclear")
def test_an_empty_list_alone_makes_no_batch_unknown(world):
    done(world, "openai", "reconcile")
    misbehave(world, "list", "empty_list")
    assert read(world, "openai", "reconcile")["unknown_to_openai"] == []


@pytest.mark.usefixtures("unclear")
def test_a_batch_whose_row_was_settled_without_it_is_named(world):
    world.execute("UPDATE openai_batches SET status = 'settled'")
    world.execute("UPDATE descriptions SET status = 'cancelled'")
    world.execute("UPDATE batch_lots SET status = 'cancelled'")
    world.execute("UPDATE batch_jobs SET status = 'cancelled', lots_settled = 3")
    said = done(world, "openai", "reconcile")
    assert "settled without having heard of them; `jobs reingest` reads them" in said


def test_a_batch_of_this_deployment_whose_row_is_gone_is_named(world):
    world.finish(world.accept(world.lots(2), ["en"]))
    (state,) = at_openai(world)
    world.execute("DELETE FROM batch_jobs")
    world.execute("DELETE FROM openai_batches")
    assert read(world, "openai", "reconcile")["rowless"] == [state.id]


def test_an_openai_that_does_not_answer_changes_nothing(world):
    packed(world)
    misbehave(world, "list", "status", status=500)
    said = refused(world, "openai", "reconcile")
    assert said.startswith("Error: OpenAI gave no answer that helps: HTTP 500")
