"""What `jobs reingest` does not read, and why."""

from io import BytesIO

import pytest

from tests.integration.operator import batches, newest, refused
from tests.integration.stages import stages


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def test_a_batch_that_is_not_settled_is_left_to_the_service(world):
    world.simulator.rules.add({"on": "batch", "do": "stall"})
    world.accept(world.lots(2))
    world.run_until(lambda: "submitted" in {row["status"] for row in batches(world)})
    said = refused(world, "jobs", "reingest", newest(world)["openai_id"])
    assert "is submitted: the service records its answers itself" in said


def test_a_batch_that_goes_on_at_openai_is_not_read_yet(world):
    world.simulator.rules.add({"on": "batch", "do": "stall"})
    world.simulator.rules.add({"on": "retrieve", "do": "status", "status": 404})
    world.finish(world.accept(world.lots(2), ["en"]))
    openai_id = newest(world)["openai_id"]
    first, second = world.simulator.rules.documents
    world.simulator.rules.remove(second["id"])
    assert "try again when it has ended" in refused(world, "jobs", "reingest", openai_id)
    world.simulator.rules.remove(first["id"])


def test_a_batch_that_nobody_knows_is_named_as_such(world):
    said = refused(world, "jobs", "reingest", "batch_unheard_of")
    assert said.startswith("Error: OpenAI knows no batch batch_unheard_of")


def test_a_stranger_s_batch_is_refused(world):
    openai = world.resources.openai
    file_id = openai.upload(BytesIO(b"{}\n"), name="theirs.jsonl", expires_after_days=1)
    theirs = openai.create_batch(input_file_id=file_id, metadata={})
    assert refused(world, "jobs", "reingest", theirs.id).endswith(f"{theirs.id} isn't ours.")


def test_a_duplicate_is_told_by_the_batch_that_our_row_names(world):
    world.finish(world.accept(world.lots(2), ["en"]))
    openai = world.resources.openai
    (ours,) = openai.list_batches()
    second = openai.create_batch(input_file_id=ours.input_file_id, metadata=ours.metadata)
    said = refused(world, "jobs", "reingest", second.id)
    assert f"{second.id} is a duplicate of {ours.id}" in said
