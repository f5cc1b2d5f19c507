"""A deadline on the monotonic clock."""

from generation_service.clients.deadline import Deadline


def test_a_deadline_ahead_has_time_left():
    deadline = Deadline.after(60)
    assert 59 < deadline.left() <= 60
    assert not deadline.passed


def test_a_deadline_behind_has_passed_and_never_goes_negative():
    deadline = Deadline.after(-1)
    assert deadline.left() == 0
    assert deadline.passed
