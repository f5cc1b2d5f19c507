"""Which jobs' requests go into the next OpenAI batch."""

import pytest

from generation_service.core.packing import Pack, Share, next_pack
from generation_service.core.room import Queue, Room, Size, Standing
from generation_service.core.status import Kind

SMALL, GIANT = Size.SMALL, Size.GIANT
PLENTY = Room(slot_limit=20)


def queue(job, requests, *, client="default", each=100, waited=60.0, **more):
    values = {"kind": Kind.VISION, "model": "m", "first": each, "tokens": requests * each, **more}
    return Queue(job=job, client=client, requests=requests, waited=waited, **values)


def room(limit, *, small=0, giant=0, **more):
    """Of a model with a token limit, by the tokens that are in flight."""
    tokens = {("m", SMALL): small, ("m", GIANT): giant}
    return Room(slot_limit=20, token_limits={"m": limit}, tokens=tokens, **more)


def packed(*queues, room=PLENTY, linger=10.0):
    return next_pack(queues, room, linger=linger)


def jobs(*queues, **more):
    pack = packed(*queues, **more)
    return pack and [share.job for share in pack.shares]


def test_nothing_queued_is_nothing_to_do():
    assert packed() is None
    assert packed(queue("a", 0)) is None


def test_small_jobs_share_an_openai_batch():
    pack = packed(queue("a", 5), queue("b", 999))
    assert pack == Pack(Kind.VISION, "m", (Share("a", 5, 500), Share("b", 999, 99_900)))


def test_small_jobs_of_different_kinds_do_not_share_one():
    assert jobs(queue("a", 5, waited=61), queue("b", 5, kind=Kind.TRANSLATION)) == ["a"]


def test_small_jobs_linger_until_the_oldest_has_waited():
    assert packed(queue("a", 5, waited=9.9)) is None
    assert jobs(queue("a", 5, waited=9.9), queue("b", 5, waited=10.0)) == ["b", "a"]


def test_small_jobs_that_fill_an_openai_batch_do_not_linger():
    many = [queue(n, 900, waited=0.0) for n in range(56)]
    pack = packed(*many)
    assert sum(share.requests for share in pack.shares) == 50_000
    assert jobs(queue("a", 300, waited=0.0), room=room(120_000)) == ["a"]


def test_small_jobs_gather_longer_while_others_of_them_are_in_flight():
    two = Room(slot_limit=20, sharing={Kind.VISION: 2})
    assert packed(queue("a", 5, waited=39.0), room=two) is None
    assert jobs(queue("a", 5, waited=40.0), room=two) == ["a"]
    assert jobs(queue("a", 5, waited=10.0, kind=Kind.TRANSLATION), room=two) == ["a"]


def test_nobody_gathers_for_ever():
    many = Room(slot_limit=200, sharing={Kind.VISION: 100})
    assert jobs(queue("a", 5, waited=640.0), room=many) == ["a"]


def test_a_thousand_requests_get_an_openai_batch_of_their_own_at_once():
    pack = packed(queue("giant", 1_000, waited=0.0), queue("b", 5, waited=0.0))
    assert pack == Pack(Kind.VISION, "m", (Share("giant", 50_000, None),))


def test_a_giant_that_is_still_growing_gathers_too():
    assert packed(queue("giant", 1_000, growing=True, waited=9.0)) is None
    assert jobs(queue("giant", 1_000, growing=True, waited=10.0)) == ["giant"]
    assert packed(queue("giant", 1_000, growing=True, waited=10.0, batches=1)) is None
    assert jobs(queue("giant", 1_000, growing=True, waited=0.0), room=room(400_000)) == ["giant"]


def test_what_is_left_of_a_giant_is_no_small_job():
    rest = queue("giant", 5, in_flight=999)
    taken = Room(slot_limit=2, slots={GIANT: 1})
    assert packed(rest, room=taken) is None
    assert jobs(rest, queue("small", 5), room=taken) == ["small"]
    assert jobs(rest, queue("other", 7, in_flight=5_000)) == ["giant", "other"]


def test_small_jobs_go_first_and_have_an_openai_batch_kept():
    both = [queue("giant", 1_000), queue("small", 5)]
    assert jobs(*both) == ["small"]
    assert jobs(*both, room=Room(slot_limit=4, slots={GIANT: 3})) == ["small"]
    assert packed(both[0], room=Room(slot_limit=4, slots={GIANT: 3})) is None


def test_small_jobs_cannot_keep_a_giant_waiting_for_ever():
    taken = Room(slot_limit=3, slots={SMALL: 2}, small_went_last=True)
    assert jobs(queue("giant", 1_000), queue("small", 5), room=taken) == ["giant"]
    assert jobs(queue("giant", 1_000), room=Room(slot_limit=2, slots={SMALL: 1})) == ["giant"]


@pytest.mark.parametrize(("small_went_last", "goes"), [(False, "small"), (True, "giant")])
def test_the_only_openai_batch_is_used_in_turn(small_went_last, goes):
    one = Room(slot_limit=1, small_went_last=small_went_last)
    assert jobs(queue("giant", 1_000), queue("small", 5), room=one) == [goes]
    assert packed(queue("small", 5), room=Room(slot_limit=1, slots={GIANT: 1})) is None


def test_the_client_with_less_in_flight_is_next_and_then_its_longest_unserved_job():
    clients = {
        ("a", GIANT): Standing(50_000, 1.0),
        ("b", GIANT): Standing(0, 5.0),
        ("c", GIANT): Standing(999, 9.0),  # hardly anything
    }
    queues = [
        queue("a", 1_000, client="a", waited=90),
        queue("b", 1_000, client="b"),
        queue("c1", 1_000, client="c", since_turn=9.0),
        queue("c2", 1_000, client="c", since_turn=40.0, waited=1),
    ]
    assert jobs(*queues, room=Room(slot_limit=9, clients=clients)) == ["c2"]


def test_small_jobs_of_a_busy_client_do_not_crowd_out_another():
    crowd = [queue(f"a{n}", 10, client="a") for n in range(50)]
    one = queue("b", 10, client="b", waited=1)
    assert jobs(*crowd, one, room=room(12_000)) == ["a0", "b", "a1"]


def test_a_client_s_giant_does_not_hold_its_small_job_back():
    clients = {("a", GIANT): Standing(50_000, 1.0), ("b", SMALL): Standing(10, 1.0)}
    busy = Room(slot_limit=9, clients=clients)
    assert jobs(queue("b", 5, client="b"), queue("a", 5, client="a"), room=busy) == ["a", "b"]


def test_no_openai_batch_takes_more_than_a_quarter_of_the_token_limit():
    assert packed(queue("a", 1_000), room=room(40_000)).shares == (Share("a", 50_000, 10_000),)
    assert packed(queue("a", 300), room=room(40_000)).shares == (Share("a", 300, 10_000),)


def test_a_tenth_of_the_tokens_is_kept_for_small_jobs():
    full = room(1_000_000, giant=900_000)
    assert packed(queue("giant", 5_000), room=full) is None
    assert jobs(queue("giant", 5_000), queue("small", 500), room=full) == ["small"]


def test_small_jobs_do_not_use_up_what_a_giant_waits_for():
    waiting = [queue("giant", 1_000, each=500), queue("small", 500)]
    tokens = {"small": 600_000, "giant": 380_000}
    assert jobs(*waiting, room=room(1_000_000, **tokens)) == ["small"]
    assert jobs(*waiting, room=room(1_000_000, **tokens, small_went_last=True)) is None
    tokens = {"small": 0, "giant": 880_000}
    assert jobs(*waiting, room=room(1_000_000, **tokens, small_went_last=True)) == ["small"]


def test_nobody_takes_tokens_in_crumbs():
    assert packed(queue("giant", 5_000), room=room(1_000_000, giant=860_000)) is None
    assert packed(queue("small", 900), room=room(1_000_000, small=980_000)) is None
    assert jobs(queue("small", 900), room=room(1_000_000, small=970_000)) == ["small"]


def test_a_request_larger_than_a_quarter_goes_alone():
    large = queue("a", 3, each=40_000)
    assert packed(large, room=room(100_000)).shares == (Share("a", 1, None),)
    assert packed(large, room=room(100_000, giant=60_000)) is None


def test_a_request_larger_than_the_limit_goes_when_no_giant_is_in_flight():
    huge, small = queue("a", 3, each=400_000), queue("b", 3, client="b", waited=10)
    assert packed(huge, room=room(100_000)).shares == (Share("a", 1, None),)
    assert jobs(huge, small, room=room(100_000, giant=1)) == ["b"]
    assert jobs(huge, room=room(100_000, small=10_000)) == ["a"]


def test_a_request_that_waits_for_tokens_is_not_overtaken():
    large = queue("a", 1, client="a", each=40_000, waited=99)
    giant = queue("giant", 1_000, client="b", each=1)
    assert packed(large, giant, room=room(100_000, giant=60_000)) is None


def test_each_model_has_its_own_limit():
    other = queue("b", 1_000, model="n", kind=Kind.TRANSLATION)
    assert jobs(queue("a", 1_000, waited=99), other, room=room(10_000, giant=9_000)) == ["b"]


def test_both_kinds_of_one_model_share_its_limit():
    translations = queue("b", 1_000, kind=Kind.TRANSLATION)
    assert packed(translations, room=room(100_000, giant=90_000)) is None
