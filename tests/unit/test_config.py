"""Settings are checked at start, and every fault is named at once."""

from ipaddress import ip_network

import pytest

from config import Config, ConfigError

GOOD = {"SHARED_KEY": "k" * 32, "OPENAI_API_KEY": "sk-test"}


def test_the_two_required_settings_are_enough():
    config = Config.from_env(GOOD)
    assert config.port == 5000
    assert config.keys == {"default": ("k" * 32,)}


def test_every_fault_is_named_at_once_with_what_would_be_right():
    with pytest.raises(ConfigError) as caught:
        Config.from_env({"PORT": "http", "IMAGE_THRESHOLD": "70", "LOG_LEVEL": "loud"})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "PORT",
        "IMAGE_THRESHOLD",
        "LOG_LEVEL",
        "SHARED_KEY",
        "OPENAI_API_KEY",
    ]
    assert "from 1 to 65535" in lines[0]


def test_a_short_key_is_refused_with_its_length():
    with pytest.raises(ConfigError, match="at least 32 characters, this has 5"):
        Config.from_env({**GOOD, "SHARED_KEY": "short"})


def test_a_compatible_server_needs_no_key():
    environ = {"SHARED_KEY": "k" * 32, "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"}
    assert Config.from_env(environ).openai_base_url == "http://127.0.0.1:8000/v1"


def test_an_empty_variable_counts_as_unset():
    config = Config.from_env({**GOOD, "PORT": "", "DATABASE_URL": " "})
    assert (config.port, config.database_url) == (5000, None)


def test_an_empty_reasoning_effort_means_none_is_sent():
    assert Config.from_env({**GOOD, "VISION_REASONING_EFFORT": ""}).vision_reasoning_effort == ""


def test_secrets_stay_out_of_the_repr():
    environ = {
        "SHARED_KEY": "marker-" * 6,
        "OPENAI_API_KEY": "marker-openai",
        "DATABASE_URL": "postgresql://marker@host/db",
    }
    assert "marker" not in repr(Config.from_env(environ))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ALLOWED_PRIVATE_HOSTS", "127.0.0.1:80, [::1]:81", {("127.0.0.1", 80), ("::1", 81)}),
        ("MAX_ENQUEUED_TOKENS", "a:5,ft:b:c:7", {"a": 5, "ft:b:c": 7}),
        ("WEBHOOK_RETRY_SECONDS", "0,1.5,2", (0.0, 1.5, 2.0)),
        ("ALLOW_UNSIGNED_IMAGE_VALIDATION", "True", True),
        (
            "CLIENT_KEYS",
            f"acme:{'a' * 32}, b:{'b' * 32}|{'c' * 32}",
            {"acme": ("a" * 32,), "b": ("b" * 32, "c" * 32)},
        ),
        ("TRUSTED_PROXIES", "10.0.0.7, fd00::/8", (ip_network("10.0.0.7"), ip_network("fd00::/8"))),
    ],
)
def test_lists_and_flags_are_read(name, text, value):
    assert getattr(Config.from_env({**GOOD, name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALLOWED_PRIVATE_HOSTS", "localhost"),
        ("ALLOWED_PRIVATE_HOSTS", "localhost:70000"),
        ("MAX_ENQUEUED_TOKENS", "gpt"),
        ("MAX_ENQUEUED_TOKENS", "gpt:0"),
        ("MAX_ENQUEUED_TOKENS", "gpt:10000000000000000"),
        ("WEBHOOK_RETRY_SECONDS", "0,1,2,3,4,5"),
        ("WEBHOOK_RETRY_SECONDS", "0,-1"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgres+psycopg2://host/db"),
        ("OPENAI_BASE_URL", "http://[x"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("OPENAI_POLL_SECONDS", "nan"),
        ("PORT", "0"),
        ("IMAGE_DETAIL", "best"),
        ("CLIENT_KEYS", "acme"),
        ("CLIENT_KEYS", "acme:short"),
        ("CLIENT_KEYS", f"a b:{'x' * 32}"),
        ("CLIENT_KEYS", f"a:{'x' * 32},a:{'y' * 32}"),
        ("CLIENT_KEYS", f"default:{'x' * 32}"),
        ("CLIENT_KEYS", f"acme:{'k' * 32}"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("WEBHOOK_SECRETS", "acme:whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, text):
    with pytest.raises(ConfigError, match=f"^{name}: must"):
        Config.from_env({**GOOD, name: text})


@pytest.mark.parametrize(
    ("name", "text"), [("OPENAI_API_KEY", "sk-\u00e9"), ("SHARED_KEY", "\udcff" * 40)]
)
def test_a_key_that_no_header_or_hash_could_carry_is_refused(name, text):
    with pytest.raises(ConfigError, match=f"^{name}: must"):
        Config.from_env({**GOOD, name: text})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:marker@ss:w@127.0.0.1:1/db",
        "postgresql://u:marker@127.0.0.1:marker/db",
        "postgresql://u:mark/er@127.0.0.1:x/db",
    ],
)
def test_a_mistyped_database_url_is_named_without_its_password(url):
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: is not a valid URL") as caught:
        Config.from_env({**GOOD, "DATABASE_URL": url})
    assert "mark" not in str(caught.value)


def test_a_key_without_its_client_is_not_repeated_in_the_message():
    with pytest.raises(ConfigError) as caught:
        Config.from_env({**GOOD, "CLIENT_KEYS": "marker" * 6})
    assert "marker" not in str(caught.value)


def test_every_client_has_its_keys_beside_the_default_one():
    environ = {**GOOD, "CLIENT_KEYS": f"acme:{'a' * 32}|{'b' * 32}"}
    assert Config.from_env(environ).keys == {
        "default": ("k" * 32,),
        "acme": ("a" * 32, "b" * 32),
    }
