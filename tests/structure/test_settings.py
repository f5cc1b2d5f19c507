"""The example file names every setting, with the default that config.py gives it."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from config import Config

EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text()
NAMED = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
# Settings whose example shows a value because their default is to have none.
WITHOUT_DEFAULT = {
    "ALLOWED_PRIVATE_HOSTS",
    "CLIENT_KEYS",
    "TRUSTED_PROXIES",
    "WEBHOOK_SECRETS",
    "DATABASE_URL",
    "MAX_ENQUEUED_TOKENS",
    "MAX_JOB_COST_USD",
    "MODEL_PRICES",
    "PUBLIC_URL",
}


def test_the_example_names_exactly_the_settings_that_exist():
    assert set(NAMED) == {setting.name.upper() for setting in fields(Config)}


REQUIRED = {"SHARED_KEY": "k" * 32, "OPENAI_API_KEY": "sk-test"}


@pytest.mark.parametrize("setting", fields(Config), ids=lambda setting: setting.name)
def test_the_example_shows_each_default(setting):
    name = setting.name.upper()
    shown = {name: NAMED[name]} if NAMED[name] else {}
    clients = {"CLIENT_KEYS": NAMED["CLIENT_KEYS"]} if name == "WEBHOOK_SECRETS" else {}
    value = getattr(Config.from_env({**REQUIRED, **clients, **shown}), setting.name)
    if setting.default is not MISSING and name not in WITHOUT_DEFAULT | set(REQUIRED):
        assert value == setting.default
    else:
        assert value is not None
