import json
import shlex
from typing import Any

import pytest

from generation_service.admin.recipes import PATH, Target, curl, recipes
from generation_service.core.signatures import (
    canonical_json,
    client_of,
    read_stamped,
    request_message,
)

KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"default": (KEY,)}
ORDER = {
    "version": "1.0.0",
    "languages": ["en", "sr-Latn"],
    "lots": [
        {
            "lot_id": "try-it",
            "additional_info": 'it\'s `$(rm -rf)` "fine" \\ ${x} \u2028 ж 🚗\n!!',
            "images": [{"url": "https://example.com/a.jpg?x='1'&y=%20"}],
        }
    ],
}


def target(**changes):
    values: dict[str, Any] = {
        "base_url": "https://descriptions.example.com",
        "key": KEY,
        "scheme_1": True,
        "now": 1_700_000_000,
        "headers": {},
    }
    return Target(**values | changes)


def arguments(command):
    """A shell's words: the URL, the headers by name, and the body."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "curl"
    headers = [words[place + 1] for place, word in enumerate(words) if word == "--header"]
    body = words[words.index("--data-raw") + 1]
    (url,) = (word for word in words if word.startswith("https://descriptions"))
    return url, dict(header.split(": ", 1) for header in headers), body


def test_curl_sends_the_order_signed_by_scheme_1():
    url, headers, body = arguments(curl(ORDER, target()))
    sent = json.loads(body)
    assert url == f"https://descriptions.example.com{PATH}"
    assert headers == {"Content-Type": "application/json"}
    assert client_of(KEYS, canonical_json(sent["lots"]), sent.pop("signature")) == "default"
    assert sent == ORDER


def test_where_only_scheme_2_is_taken_curl_is_signed_by_it():
    _, headers, body = arguments(curl(ORDER, target(scheme_1=False)))
    stamped = read_stamped(headers["X-Signature"])
    assert stamped
    message = request_message(stamped.time, "POST", PATH.encode(), body.encode())
    assert client_of(KEYS, message, stamped.digest) == "default"
    assert json.loads(body) == ORDER


def test_a_command_that_expires_says_so():
    assert "300 s" in recipes(ORDER, target(scheme_1=False))[0].note
    assert not any(recipe.note for recipe in recipes(ORDER, target()))


def test_every_recipe_sends_the_headers_along():
    for recipe in recipes(ORDER, target(headers={"Idempotency-Key": "try-1"})):
        assert "Idempotency-Key" in recipe.code
        assert "try-1" in recipe.code


@pytest.mark.parametrize("scheme_1", [True, False])
def test_no_recipe_holds_the_key(scheme_1):
    for recipe in recipes(ORDER, target(scheme_1=scheme_1)):
        assert KEY not in recipe.code
