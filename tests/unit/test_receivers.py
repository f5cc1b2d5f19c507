import pytest

from generation_service.clients.messages import Answer
from generation_service.clients.webhooks import MAX_PROMPT_HOSTS, Receivers

QUICK = Answer(status=200, seconds=0.1)


@pytest.fixture
def receivers():
    return Receivers()


@pytest.mark.parametrize("answer", [QUICK, Answer(status=500, seconds=2.0)])
def test_a_host_that_answers_within_two_seconds_is_prompt_whatever_it_says(receivers, answer):
    receivers.note("a.test:80", answer)
    assert receivers.prompt == ["a.test:80"]


@pytest.mark.parametrize(
    "answer",
    [Answer(status=200, seconds=2.1), Answer(error="timeout", seconds=15.0), Answer(error="x")],
)
def test_the_last_answer_counts(receivers, answer):
    receivers.note("a.test:80", QUICK)
    receivers.note("a.test:80", answer)
    assert receivers.prompt == []


def test_so_many_hosts_are_remembered_the_last_ones(receivers):
    for number in range(MAX_PROMPT_HOSTS + 1):
        receivers.note(f"h{number}.test:80", QUICK)
    assert len(receivers.prompt) == MAX_PROMPT_HOSTS
    assert "h0.test:80" not in receivers.prompt
