"""What the demo starts the service with."""

import pytest

from demo import environment

REAL = {"OPENAI_API_KEY": "sk-real"}
COMPATIBLE = {"OPENAI_BASE_URL": "https://openai.example.com/v1"}
LOCAL = {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"}


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}])
def test_the_simulator_is_used_where_no_openai_is_configured(environ):
    assert environment.needs_simulator(environ)


@pytest.mark.parametrize("environ", [REAL, COMPATIBLE, LOCAL, REAL | LOCAL])
def test_the_simulator_is_never_used_beside_a_configured_openai(environ):
    assert not environment.needs_simulator(environ)


def test_the_simulator_is_reached_past_a_proxy():
    environ = environment.with_simulator({"NO_PROXY": "intranet"}, 4010)
    assert environ["OPENAI_BASE_URL"] == "http://127.0.0.1:4010/v1"
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1"


def test_with_the_simulator_jobs_take_seconds_unless_it_is_said_otherwise():
    environ = environment.with_simulator({"OPENAI_POLL_SECONDS": "30"}, 4010)
    assert (environ["OPENAI_POLL_SECONDS"], environ["BATCH_LINGER_SECONDS"]) == ("30", "0")
    assert environment.with_simulator({"OPENAI_POLL_SECONDS": ""}, 1)["OPENAI_POLL_SECONDS"] == "1"


@pytest.mark.parametrize("environ", [REAL, COMPATIBLE, REAL | COMPATIBLE])
def test_the_demo_refuses_to_pay_a_real_openai(environ):
    refusal = environment.refusal_of_demo(environ)
    assert refusal is not None
    assert "Nothing was sent" in refusal


@pytest.mark.parametrize("environ", [{}, LOCAL, REAL | LOCAL])
def test_the_demo_runs_with_an_openai_on_this_machine(environ):
    assert environment.refusal_of_demo(environ) is None


def test_secrets_that_are_set_are_kept():
    own = {"SHARED_KEY": "mine", "ADMIN_PASSWORD": "mine too"}
    assert environment.with_secrets(own) == own


def test_secrets_are_made_once(tmp_path):
    unset = {"DATA_DIR": str(tmp_path)}
    made = environment.with_secrets(unset)
    assert len(made["SHARED_KEY"]) >= 32
    assert len(made["ADMIN_PASSWORD"]) >= 12
    assert environment.with_secrets(unset) == made
