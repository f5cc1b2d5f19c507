"""What is said at start of the server that answers for OpenAI."""

from datetime import date

import pytest
from structlog.testing import capture_logs

from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.pipeline.check_models import check_models
from generation_service.pipeline.resources import Resources
from openai_simulator.server import Simulator
from tests.running import free_port

TODAY = date(2026, 11, 20)


@pytest.fixture
def look(engine):
    """Check the models of a server; whether it answered, and which events were logged."""

    def check(base_url, **settings):
        openai = OpenAIClient(api_key="sk-test", base_url=base_url)
        resources = Resources(
            engine=engine,
            openai=openai,
            prober=ImageProber(allowed_private=frozenset()),
            settings=Config(shared_key="k" * 32, **settings),
            deployment="test",
        )
        with capture_logs() as logged:
            answered = check_models(resources, TODAY)
        openai.close()
        return answered, [(entry["log_level"], entry["event"]) for entry in logged]

    return check


def test_a_simulator_is_warned_of(look):
    with Simulator(fetch=False) as simulator:
        assert look(simulator.base_url) == (True, [("warning", "openai_simulated")])


def test_a_model_that_is_not_offered_is_warned_of(look):
    with Simulator(fetch=False) as simulator:
        answered, logged = look(simulator.base_url, vision_model="o4-mini")
    assert (answered, logged[1:]) == (True, [("warning", "openai_model_notice")])


def test_a_server_that_does_not_answer_is_to_be_asked_again(look):
    answered, logged = look(f"http://127.0.0.1:{free_port()}/v1")
    assert answered is False
    assert ("warning", "openai_models_unknown") in logged
