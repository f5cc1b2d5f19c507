"""Which jobs' requests go into which OpenAI batches."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.packing import Filling, Pack, Queue, Room, plan

PLENTY = Room(slots=20, tokens=None, token_limit=None)


def queue(job, requests, *, client="default", each=100, waited=60.0, in_flight=0):
    return Queue(
        job=job,
        client=client,
        requests=requests,
        tokens=requests * each,
        waited=waited,
        in_flight=in_flight,
    )


def room(tokens, limit, slots=20):
    return Room(slots=slots, tokens=tokens, token_limit=limit)


def planned(*queues, room=PLENTY, linger=10.0):
    return plan(queues, room, linger=linger)


def test_nothing_queued_is_nothing_to_do():
    assert planned() == []
    assert planned(queue("a", 0)) == []


def test_small_jobs_share_an_openai_batch():
    assert planned(queue("a", 5), queue("b", 999)) == [Pack(("a", "b"), 1004)]


def test_small_jobs_linger_until_the_oldest_has_waited():
    assert planned(queue("a", 5, waited=9.9)) == []
    [pack] = planned(queue("a", 5, waited=9.9), queue("b", 5, waited=10.0))
    assert set(pack.jobs) == {"a", "b"}


def test_small_jobs_that_fill_an_openai_batch_do_not_linger():
    many = [queue(n, 900, waited=0.0) for n in range(56)]
    assert [pack.requests for pack in planned(*many)] == [50_000, 400]


def test_a_thousand_requests_get_an_openai_batch_of_their_own_at_once():
    assert planned(queue("a", 1_000, waited=0.0)) == [Pack(("a",), 1_000)]


def test_more_than_fifty_thousand_requests_need_several():
    packs = planned(queue("a", 120_000))
    assert packs == [Pack(("a",), 50_000), Pack(("a",), 50_000), Pack(("a",), 20_000)]


def test_small_jobs_go_first_and_keep_a_slot():
    packs = planned(
        queue("giant", 500_000),
        queue("small", 5),
        room=Room(slots=4, tokens=None, token_limit=None),
    )
    assert [pack.jobs for pack in packs] == [("small",), ("giant",), ("giant",)]


@pytest.mark.parametrize(("slot_limit", "packs"), [(1, 1), (2, 0), (None, 0)])
def test_the_last_slot_is_kept_for_small_jobs_unless_it_is_the_only_one(slot_limit, packs):
    one = Room(slots=1, tokens=None, token_limit=None, slot_limit=slot_limit)
    assert len(planned(queue("giant", 5_000), room=one)) == packs


def test_without_a_slot_nothing_goes():
    assert planned(queue("a", 5), queue("b", 5_000), room=room(1_000, 1_000, slots=0)) == []


def test_clients_take_turns_and_then_their_jobs():
    packs = planned(
        queue("a1", 100_000, client="a", waited=90),
        queue("a2", 100_000, client="a", waited=80),
        queue("b1", 100_000, client="b", waited=70),
        room=Room(slots=5, tokens=None, token_limit=None),
    )
    assert [pack.jobs[0] for pack in packs] == ["a1", "b1", "a2", "b1"]


def test_who_has_less_in_flight_is_next():
    packs = planned(
        queue("busy", 60_000, client="a", waited=90, in_flight=50_000),
        queue("idle", 60_000, client="b", waited=10),
        room=Room(slots=2, tokens=None, token_limit=None),
    )
    assert [pack.jobs for pack in packs] == [("idle",)]


def test_small_jobs_of_a_busy_client_do_not_crowd_out_another():
    crowd = [queue(f"a{n}", 10, client="a") for n in range(50)]
    one = queue("b", 10, client="b", waited=1)
    [pack] = planned(*crowd, one, room=room(3_000, 100_000, slots=1))
    assert "b" in pack.jobs
    assert pack.requests == 30


def test_no_openai_batch_takes_more_than_a_quarter_of_the_token_limit():
    packs = planned(queue("a", 10_000), room=room(800_000, 800_000))
    assert [pack.requests for pack in packs] == [2_000, 2_000, 2_000, 1_200]


def test_a_tenth_of_the_tokens_is_kept_for_small_jobs():
    assert planned(queue("giant", 5_000), room=room(100_000, 1_000_000)) == []
    assert planned(queue("small", 500), room=room(100_000, 1_000_000)) == [Pack(("small",), 500)]


def test_a_giant_does_not_take_tokens_in_crumbs():
    assert planned(queue("giant", 5_000), room=room(110_000, 1_000_000)) == []


def test_a_request_larger_than_a_quarter_goes_alone():
    packs = planned(queue("a", 3, each=40_000), room=room(100_000, 100_000))
    assert packs == [Pack(("a",), 1), Pack(("a",), 1)]


def test_with_nothing_in_flight_one_request_goes_however_large():
    assert planned(queue("a", 3, each=400), room=room(100, 100)) == [Pack(("a",), 1)]
    assert planned(queue("a", 3, each=400), room=room(99, 100)) == []


QUEUES = st.lists(
    st.builds(
        queue,
        st.integers(0, 10**9),
        st.integers(1, 60_000),
        client=st.sampled_from("abc"),
        each=st.integers(1, 5_000),
        waited=st.floats(0, 100),
        in_flight=st.integers(0, 60_000),
    ),
    max_size=6,
    unique_by=lambda one: one.job,
)


@given(QUEUES, st.integers(0, 20), st.integers(1, 10**9), st.floats(0, 1))
def test_no_plan_breaks_a_limit(queues, slots, limit, free):
    packs = planned(*queues, room=room(int(limit * free), limit, slots))
    each = {one.job: one.tokens_each for one in queues}
    least = sum(pack.requests * min(each[job] for job in pack.jobs) for pack in packs)
    assert len(packs) <= slots
    assert all(1 <= pack.requests <= 50_000 for pack in packs)
    assert least <= limit * free or sum(pack.requests for pack in packs) == 1


@given(QUEUES, st.integers(2, 20), st.integers(1, 10**9))
def test_with_nothing_in_flight_a_job_that_has_waited_always_gets_on(queues, slots, limit):
    packs = planned(*queues, room=room(limit, limit, slots), linger=0.0)
    assert bool(packs) == bool(queues)


def test_filling_stops_at_each_limit():
    filling = Filling(max_requests=3, max_bytes=100, max_tokens=50)
    assert filling.take(40, 10)
    assert not filling.take(61, 10)
    assert not filling.take(10, 41)
    assert filling.take(60, 40)
    assert filling.take(0, 0)
    assert not filling.take(0, 0)
    assert (filling.requests, filling.bytes, filling.tokens) == (3, 100, 50)


def test_filling_always_takes_the_first_request():
    filling = Filling(max_requests=10, max_bytes=100, max_tokens=None)
    assert filling.take(101, 10**9)
    assert not filling.take(1, 0)
    assert math.isfinite(filling.tokens)
