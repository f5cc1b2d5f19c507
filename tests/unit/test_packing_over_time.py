"""Whatever arrives, everything is packed in the end, in turns, and no limit is broken meanwhile."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from generation_service.core.status import Kind
from tests.unit.packing_world import World

LIMIT = 200_000
SIZES = st.one_of(st.integers(1, 40), st.sampled_from([999, 1_000, 1_500, 2_500]))
EACH = st.one_of(st.integers(1, 2_000), st.sampled_from([30_000, 150_000, 199_000, 10**6]))
JOBS = st.lists(
    st.tuples(SIZES, EACH, EACH, st.sampled_from("abc"), st.sampled_from(list(Kind))), max_size=8
)
SLOTS = st.sampled_from([1, 2, 3, 20])
ENDINGS = st.lists(st.integers(0, 99), max_size=12)


def requests(count, first, each):
    """A giant of monstrous requests would only take long."""
    return [first, *([min(each, 2_000_000 // count)] * (count - 1))]


def world_of(slots, *, limited, one_model):
    models = {Kind.VISION: "v", Kind.TRANSLATION: "v" if one_model else "t"}
    return World(slots, {"v": LIMIT} if limited else {}, models)


def arrive(world, arriving):
    for count, first, each, client, kind in arriving:
        world.arrive(f"{client}{len(world.jobs)}", requests(count, first, each), client, kind)


@settings(max_examples=60, deadline=None)
@given(JOBS, JOBS, SLOTS, st.booleans(), st.booleans(), ENDINGS)
def test_everything_is_packed_in_the_end_and_no_limit_is_broken(
    first, later, slots, limited, one_model, endings
):
    world = world_of(slots, limited=limited, one_model=one_model)
    arrive(world, first)
    for which in endings:
        world.pack()
        world.end(which)
    arrive(world, later)
    left = sum(len(job.waiting) for job in world.waiting)
    for _ in range(left + len(world.open) + 1):
        world.pack()
        if not world.open:
            break
        world.end(0)
    assert world.waiting == []


@settings(max_examples=60, deadline=None)
@given(JOBS, SLOTS, st.booleans(), st.booleans(), ENDINGS, st.integers(0, 99))
def test_a_small_job_waits_only_for_what_is_in_flight_when_it_comes(
    first, slots, limited, one_model, endings, which
):
    world = world_of(slots, limited=limited, one_model=one_model)
    arrive(world, first)
    for ending in endings:
        world.pack()
        world.end(ending)
    world.pack()
    # Of the only OpenAI batch a giant may have the next turn, and small jobs of others theirs.
    patience = len(world.open) + 1 + len({job.client for job in world.waiting})
    world.arrive("new", [10, 10], "new")
    waited = 0
    world.pack()
    while world.jobs["new"].waiting:
        assert waited <= patience
        world.end(which)
        waited += 1
        world.pack()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 99), min_size=5, max_size=25),
    st.integers(2, 6),
    st.lists(st.sampled_from([60, 120, 240]), min_size=3, max_size=3),
)
def test_clients_with_giants_have_the_same_in_flight(endings, slots, giants):
    world = World(slots, {"v": 4_000_000})
    for client, thousands in zip("abc", giants, strict=True):
        for part in range(3):
            world.arrive(f"{client}{part}", [200] * thousands * 500, client)
    for which in endings:
        world.pack()
        held = Counter(name[0] for batch in world.open for name in batch.shares)
        assert max(held.values()) - min(held[client] for client in "abc") <= 1
        world.end(which)


def test_a_client_with_many_small_jobs_leaves_others_their_turns():
    world = World(2, {"v": 40_000})
    for number in range(200):
        world.arrive(f"a{number}", [1_000] * 30, "a")
    world.pack()
    world.arrive("b", [1_000] * 2, "b")
    world.end(0)
    world.pack()
    assert not world.jobs["b"].waiting


def test_giants_get_on_however_many_small_jobs_come():
    world = World(2, {"v": 1_000_000})
    world.arrive("giant", [100] * 20_000, "a")
    for number in range(60):
        world.arrive(f"b{number}", [100] * 900, "b")
        world.pack()
        world.end(0)
    assert not world.jobs["giant"].waiting


def test_the_giants_of_two_clients_take_turns_though_one_came_first():
    world = World(2, {})
    world.arrive("a", [1] * 150_000, "a")
    world.end(0)
    world.arrive("b", [1] * 150_000, "b")
    order = []
    for _ in range(6):
        order += [name for batch in world.pack() for name in batch.shares]
        world.end(0)
    assert order == ["a", "b", "a", "b", "a", "b"]
