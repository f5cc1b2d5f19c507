from generation_service.clients.presence import Presence
from generation_service.core.limits import ABSENCE_SECONDS


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def noted(clock, *pauses):
    """One who says that it is there after each of these pauses."""
    presence = Presence(clock)
    for pause in pauses:
        clock.now += pause
        presence.note()
    return presence


def test_while_somebody_is_there_it_is_a_clock_as_any():
    clock = Clock()
    presence = noted(clock, *[ABSENCE_SECONDS] * 8)
    assert (presence(), presence.absences) == (clock.now, 0)


def test_it_stands_still_while_nobody_is():
    clock = Clock()
    presence = noted(clock, 0.25, 4.0, 0.25, 16.0)
    assert (presence(), presence.absences) == (100.5, 2)


def test_sleep_that_was_announced_is_no_absence():
    clock = Clock()
    presence = Presence(clock)
    presence.note(asleep=8.0)
    clock.now += 8.25
    presence.note()
    assert (presence(), presence.absences) == (108.25, 0)


def test_of_a_sleep_that_took_longer_only_the_excess_is_missed():
    clock = Clock()
    presence = Presence(clock)
    presence.note(asleep=8.0)
    clock.now += 10.0
    presence.note()
    assert (presence(), presence.absences) == (108.0, 1)


def test_who_wakes_early_is_expected_at_once():
    clock = Clock()
    presence = Presence(clock)
    presence.note(asleep=8.0)
    presence.note()
    clock.now += 4.0
    presence.note()
    assert presence.absences == 1
