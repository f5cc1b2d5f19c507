import pytest

from generation_service.core.limits import WEBHOOK_BODIES_BYTES, WEBHOOK_SLOTS
from generation_service.pipeline.delivery_load import Load

MB = 1_000_000


@pytest.fixture
def load():
    return Load()


def fill(load, count, size=1_000, *, prompt=False):
    for _ in range(count):
        load.add(size, prompt=prompt)


def test_an_idle_process_takes_as_many_bodies_as_64_megabytes_hold(load):
    room = load.room([], 0)
    assert room.limit == WEBHOOK_BODIES_BYTES // MB == 64
    assert room.others == 48


def test_bodies_take_room_until_they_are_sent(load):
    fill(load, 60, MB, prompt=True)
    assert load.room([], 0).limit == 4
    load.remove(MB, prompt=True)
    assert load.room([], 0).limit == 5


def test_no_more_is_taken_when_every_slot_is(load):
    fill(load, WEBHOOK_SLOTS, prompt=True)
    assert load.room([], 0).limit == 0


@pytest.mark.parametrize(("count", "size"), [(WEBHOOK_SLOTS * 3 // 4, 1), (48, MB)])
def test_a_quarter_is_kept_for_receivers_that_answer_promptly(load, count, size):
    fill(load, count, size)
    assert load.room([], 0).others == 0
    assert load.room([], 0).limit >= 16
    load.remove(size, prompt=False)
    assert load.room([], 0).others == 1


def test_prompt_receivers_take_nothing_from_the_others(load):
    fill(load, 60, MB, prompt=True)
    assert load.room([], 0).others == 48


def test_a_body_that_is_larger_than_all_the_room_is_sent_alone(load):
    assert load.fits(100 * MB)
    load.add(1, prompt=True)
    assert not load.fits(100 * MB)
    assert load.fits(64 * MB - 1)
