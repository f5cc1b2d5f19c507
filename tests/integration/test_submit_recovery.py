"""An OpenAI batch is created once, whoever was interrupted on the way there and wherever."""

import threading
from contextlib import contextmanager
from io import BytesIO

import pytest

from generation_service.clients.openai_api import OpenAIRefused
from generation_service.core.status import JobStatus, OpenAIBatchStatus
from generation_service.db import openai_batches
from generation_service.db.statements import LeaseLostError
from generation_service.pipeline import pack, probe, submit
from generation_service.pipeline.claims import claimed
from tests.integration.stages import go_on, stages
from tests.waiting import until

BRINGING = (OpenAIBatchStatus.BUILDING, OpenAIBatchStatus.UPLOADED)


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@pytest.fixture
def job(world):
    """A job of three lots whose vision requests are packed and wait to be submitted."""
    job_id = world.accept(world.lots(3), ["en"])
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)
    return job_id


def bring(world):
    """One try of whoever finds the OpenAI batch due."""
    run_out(world)
    assert submit.tick(world.resources, go_on)


def run_out(world):
    """All leases and pauses come to their end."""
    world.execute(
        "UPDATE openai_batches SET next_try_at = now(), lease_expires_at = now() - interval '1 s'"
    )


def batch(world):
    (row,) = world.rows("SELECT * FROM openai_batches")
    return row


def misbehave(world, on, do, **more):
    world.simulator.rules.add({"on": on, "do": do, "times": 1, **more})


def assert_described_once(world, job):
    assert world.finish(job).status is JobStatus.COMPLETED
    assert len(world.billed()) == len(set(world.billed())) == 3


@contextmanager
def paused_at(world, point, seconds):
    """In the block one owner hangs in this call, which OpenAI gets `seconds` after its start."""
    misbehave(world, point, "slow", seconds=seconds)
    owner = threading.Thread(target=bring, args=[world])
    before = len(world.simulator.rules.firings)
    owner.start()
    until(lambda: len(world.simulator.rules.firings) > before, what=f"the owner is in {point}")
    yield
    owner.join()


def test_a_batch_whose_creation_got_no_answer_is_adopted(world, job):
    misbehave(world, "create", "reset_after")
    bring(world)
    assert batch(world)["status"] == "uploaded"
    bring(world)
    assert (batch(world)["status"], world.submitted_batches()) == ("submitted", 1)
    assert_described_once(world, job)


@pytest.mark.usefixtures("job")
def test_a_server_that_keeps_no_metadata_is_asked_for_the_input_file(world):
    misbehave(world, "create", "reset_after")
    misbehave(world, "list", "no_metadata")
    bring(world)
    bring(world)
    assert (batch(world)["status"], world.submitted_batches()) == ("submitted", 1)


@pytest.mark.usefixtures("job")
def test_of_two_batches_of_ours_the_one_of_the_present_file_is_adopted(world):
    misbehave(world, "create", "reset_after")
    bring(world)
    (created,) = world.resources.openai.list_batches()
    content = BytesIO(b"\n".join(world.resources.openai.file_lines(created.input_file_id)))
    earlier = world.resources.openai.upload(content, name="earlier.jsonl", expires_after_days=1)
    world.resources.openai.create_batch(input_file_id=earlier, metadata=created.metadata)
    bring(world)
    assert batch(world)["openai_id"] == created.id


def test_a_creation_that_never_arrived_is_sent_anew(world, job):
    misbehave(world, "create", "reset_before")
    bring(world)
    first = batch(world)["input_file_id"]
    bring(world)
    assert batch(world)["input_file_id"] != first
    assert world.submitted_batches() == 1
    assert_described_once(world, job)


def test_a_creation_that_arrives_late_finds_its_file_gone(world, job):
    misbehave(world, "create", "reset_before")
    bring(world)
    fenced = batch(world)["input_file_id"]
    bring(world)
    with pytest.raises(OpenAIRefused, match="no such file"):
        world.resources.openai.create_batch(input_file_id=fenced, metadata={})
    assert_described_once(world, job)


def test_an_owner_paused_before_its_creation_is_fenced_off(world, job):
    with paused_at(world, "create", seconds=1.5):
        bring(world)
        successor = batch(world)
        assert successor["status"] == "submitted"
    assert batch(world) == successor
    assert world.submitted_batches() == 1
    assert_described_once(world, job)


def test_a_creation_between_the_look_and_the_fence_is_adopted(world, job):
    with paused_at(world, "create", seconds=0.7):
        misbehave(world, "delete", "slow", seconds=1.5)
        bring(world)
    with pytest.raises(OpenAIRefused, match="No such File"):
        list(world.resources.openai.file_lines(batch(world)["input_file_id"]))
    assert (batch(world)["status"], world.submitted_batches()) == ("submitted", 1)
    assert_described_once(world, job)


@pytest.mark.usefixtures("job")
def test_an_owner_whose_lease_was_taken_over_records_nothing(world):
    paused = claimed(world.resources, BRINGING)
    run_out(world)
    assert paused
    assert claimed(world.resources, BRINGING)
    before = batch(world)
    with pytest.raises(LeaseLostError), world.resources.engine.begin() as connection:
        openai_batches.move(connection, paused, OpenAIBatchStatus.UPLOADED, input_file_id="file-a")
    assert batch(world) == before


def test_of_two_owners_in_turn_only_the_last_creates_a_batch(world, job):
    misbehave(world, "create", "reset_before")
    bring(world)
    with paused_at(world, "list", seconds=0.8), paused_at(world, "create", seconds=1.6):
        pass
    assert world.submitted_batches() == 1
    assert_described_once(world, job)


@pytest.mark.usefixtures("job")
def test_a_batch_is_not_claimed_while_its_lease_holds(world):
    assert claimed(world.resources, BRINGING)
    assert claimed(world.resources, BRINGING) is None


def test_no_batch_is_created_while_the_fence_is_not_sure_to_stand(world, job):
    misbehave(world, "create", "reset_before")
    misbehave(world, "delete", "status", status=500)
    bring(world)
    bring(world)
    assert (batch(world)["status"], world.submitted_batches()) == ("uploaded", 0)
    assert_described_once(world, job)


def test_no_batch_is_created_while_openai_does_not_tell_which_there_are(world, job):
    misbehave(world, "create", "reset_after")
    misbehave(world, "list", "status", status=503)
    bring(world)
    bring(world)
    assert (batch(world)["status"], world.submitted_batches()) == ("uploaded", 1)
    assert_described_once(world, job)


@pytest.mark.parametrize("do", ["reset_before", "reset_after"])
def test_an_upload_without_an_answer_is_made_again(world, job, do):
    misbehave(world, "upload", do)
    bring(world)
    assert (batch(world)["status"], batch(world)["input_file_id"]) == ("building", None)
    assert_described_once(world, job)


def test_a_file_that_vanished_at_openai_is_uploaded_anew(world, job):
    misbehave(world, "upload", "lose_file")
    bring(world)
    assert (batch(world)["status"], batch(world)["tries"]) == ("uploaded", 1)
    assert_described_once(world, job)


def test_vain_tries_before_a_refusal_do_not_count_against_the_file(world, job):
    misbehave(world, "create", "reset_before", times=3)
    for _ in range(3):
        bring(world)
    misbehave(world, "upload", "lose_file", times=2)
    for _ in range(2):
        bring(world)
    assert (batch(world)["status"], batch(world)["tries"]) == ("uploaded", 5)
    assert_described_once(world, job)


def test_a_creation_refused_for_good_fails_the_job_with_openai_s_words(world, job):
    world.simulator.rules.add(
        {"on": "create", "do": "status", "status": 400, "message": "No batches for you."}
    )
    ended = world.finish(job)
    assert ended.status is JobStatus.FAILED
    assert "No batches for you." in (ended.error_message or "")
    assert (world.billed(), batch(world)["status"]) == ([], "settled")
