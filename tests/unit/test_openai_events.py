"""What is taken for an event of OpenAI's, and what is read of it."""

import pytest

from generation_service.clients.openai_events import Event, EventReader, EventRefusedError
from tests.events import SECRET, encoded, event, signed

OTHER_SECRET = SECRET.replace("M", "N")
READER = EventReader(SECRET)
BODY = encoded(event("batch_1"))


@pytest.mark.parametrize("end", ["completed", "failed", "expired", "cancelled"])
def test_an_event_names_its_batch(end):
    body = encoded(event("batch_1", f"batch.{end}", unknown={"field": 1}))
    assert READER.read(body, signed(body)) == Event("wh_1", f"batch.{end}", "batch_1")


@pytest.mark.parametrize(
    ("document", "kind", "subject"),
    [
        ({"type": "kind.of.tomorrow", "data": 3}, "kind.of.tomorrow", None),
        ({"type": "response.completed", "data": {"id": "resp_1"}}, "response.completed", "resp_1"),
        ({"type": "batch.completed"}, "batch.completed", None),
        ({"type": "batch.completed", "data": {"id": 7}}, "batch.completed", None),
        ({"type": ["batch.completed"], "data": {"id": "batch_1"}}, None, "batch_1"),
        ({}, None, None),
    ],
)
def test_what_an_event_lacks_is_none(document, kind, subject):
    body = encoded(document)
    assert READER.read(body, signed(body)) == Event("wh_1", kind, subject)


def test_one_signature_of_several_is_enough():
    """While a secret changes, OpenAI signs with the old one and the new one."""
    now = signed(BODY)
    both = f"{signed(BODY, secret=OTHER_SECRET)['webhook-signature']} {now['webhook-signature']}"
    assert READER.read(BODY, {**now, "webhook-signature": both}).subject == "batch_1"


def without(name):
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def having(name, value):
    return lambda headers: {**headers, name: value}


def later(headers):
    return {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}


CHANGES = {
    "no headers": lambda _: {},
    "no id": without("webhook-id"),
    "no timestamp": without("webhook-timestamp"),
    "no signature": without("webhook-signature"),
    "another secret": lambda _: signed(BODY, secret=OTHER_SECRET),
    "another body": lambda _: signed(BODY + b" "),
    "a second later": later,
    "another id": having("webhook-id", "wh_2"),
    "no time": having("webhook-timestamp", "now"),
    "a time of too many digits": having("webhook-timestamp", "9" * 5_000),
    "a signature in Cyrillic": having("webhook-signature", "v1,ключ"),
    "an empty signature": having("webhook-signature", ""),
    "a long id": lambda _: signed(BODY, "w" * 256),
    "an hour old": lambda _: signed(BODY, age=3_600),
    "an hour ahead": lambda _: signed(BODY, age=-3_600),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_openai_did_not_just_sign_is_refused(change):
    with pytest.raises(EventRefusedError):
        READER.read(BODY, change(signed(BODY)))


@pytest.mark.parametrize("body", [b"\xff", b"{"], ids=["no UTF-8", "no JSON"])
def test_what_is_signed_and_is_no_event_is_refused(body):
    with pytest.raises(EventRefusedError):
        READER.read(body, signed(body))
