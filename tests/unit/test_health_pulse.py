"""Health is asked seldom, and never waited for long."""

from threading import Event, Thread

from generation_service.api.health import Latest, Pulse


def test_a_check_that_says_yes_beats():
    assert Pulse(lambda: True).beats()


def test_a_check_that_says_no_does_not():
    assert not Pulse(lambda: False).beats()


def test_a_check_that_raises_does_not_and_is_logged(capsys):
    assert not Pulse(lambda: 1 / 0 > 0).beats()
    assert "division by zero" in capsys.readouterr().out


def test_the_answer_is_kept_for_a_second():
    questions = iter([True, False])
    pulse = Pulse(lambda: next(questions))
    assert [pulse.beats() for _ in range(5)] == [True] * 5


def test_a_check_that_hangs_counts_as_no_and_is_not_asked_again():
    release, questions = Event(), iter([True])
    pulse = Pulse(lambda: next(questions) and release.wait(), patience=0.01)
    assert [pulse.beats() for _ in range(5)] == [False] * 5
    release.set()


def test_a_look_that_could_not_begin_found_nothing_and_the_next_one_begins():
    tries = []

    def begin(look):
        tries.append(look)
        if len(tries) == 1:
            raise RuntimeError("can't start new thread")
        Thread(target=look).start()

    latest = Latest(lambda: "seen", begin=begin)
    assert [latest.get(), latest.get()] == [None, "seen"]
