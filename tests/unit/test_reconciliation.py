"""Whose the batches at OpenAI are, told by what they carry."""

from generation_service.core.openai_batch import METADATA_BATCH, METADATA_DEPLOYMENT, read_batch
from generation_service.core.reconciliation import Comparison, OurBatch, compare
from generation_service.core.status import OpenAIBatchStatus

HERE = "this-deployment"


def row(name, status="submitted", *, openai_id=None, file=None):
    return OurBatch(
        id=name, status=OpenAIBatchStatus(status), openai_id=openai_id, input_file_id=file
    )


def listed(name, *, of=None, file=None, deployment=HERE):
    metadata = {METADATA_BATCH: of, METADATA_DEPLOYMENT: deployment} if of else None
    return read_batch(
        {"id": name, "status": "in_progress", "input_file_id": file, "metadata": metadata}
    )


def compared(states, *rows):
    return compare(states, rows, HERE)


def test_a_batch_that_a_row_names_is_known():
    ours, state = row("a", openai_id="batch_1"), listed("batch_1")
    assert compared([state], ours) == Comparison(known=[(ours, state)])


def test_a_row_that_waits_adopts_the_batch_that_names_it():
    for status in ("building", "uploaded"):
        ours, state = row("a", status), listed("batch_1", of="a")
        assert compared([state], ours) == Comparison(adoptable=[(ours, state)])


def test_a_row_that_was_settled_adopts_nothing():
    ours, state = row("a", "settled"), listed("batch_1", of="a")
    assert compared([state], ours) == Comparison(unrecorded=[(ours, state)])


def test_without_metadata_the_input_file_tells():
    ours, state = row("a", "uploaded", file="file-1"), listed("batch_1", file="file-1")
    assert compared([state], ours) == Comparison(adoptable=[(ours, state)])


def test_without_metadata_and_without_a_file_it_is_a_stranger_s():
    state = listed("batch_1")
    assert compared([state], row("a", "building")) == Comparison(strangers=[state])


def test_another_deployment_s_batch_is_a_stranger_s_whatever_it_names():
    state = listed("batch_1", of="a", file="file-1", deployment="another")
    ours = row("a", "uploaded", file="file-1")
    assert compared([state], ours) == Comparison(strangers=[state])


def test_a_batch_of_ours_may_have_lost_its_row():
    state = listed("batch_1", of="gone")
    assert compared([state]) == Comparison(rowless=[state])


def test_a_second_batch_for_a_row_is_a_duplicate():
    ours = row("a", openai_id="batch_1")
    first, second = listed("batch_1", of="a"), listed("batch_2", of="a")
    assert compared([second, first], ours) == Comparison(
        known=[(ours, first)], duplicates=[(ours, second)]
    )


def test_of_two_batches_for_a_waiting_row_the_one_of_its_file_is_adopted():
    ours = row("a", "uploaded", file="file-1")
    newer, older = (
        listed("batch_2", of="a", file="file-2"),
        listed("batch_1", of="a", file="file-1"),
    )
    assert compared([newer, older], ours) == Comparison(
        adoptable=[(ours, older)], duplicates=[(ours, newer)]
    )


def test_of_two_batches_for_a_row_without_a_file_the_newest_is_adopted():
    ours = row("a", "building")
    newer, older = (
        listed("batch_2", of="a", file="file-2"),
        listed("batch_1", of="a", file="file-1"),
    )
    assert compared([newer, older], ours).adoptable == [(ours, newer)]


def test_a_row_whose_batch_is_not_listed_is_told():
    ours = row("a", openai_id="batch_1")
    assert compared([], ours, row("b", "building")) == Comparison(unlisted=[ours])
