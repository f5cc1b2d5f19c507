"""How a run's results are cut into webhooks: 500 lots and about 1 MB at most."""

import json
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import event

from generation_service.db import delivery_claims
from generation_service.db.delivery_claims import Room
from generation_service.pipeline.delivery_bodies import bodies as rendered
from tests.integration.outbox import outbox
from tests.servers import Reply

MB = 1_000_000


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


def bodies(box, path="/hook"):
    """What came in, part by part."""
    box.deliver()
    received = [json.loads(request.body) for request in box.received(path)]
    return sorted(received, key=lambda body: body["part"])


def lot_ids(body):
    return [lot["lot_id"] for lot in body["lots"]]


def test_a_part_holds_500_lots_at_most(box):
    box.job(*[box.url()] * 501)
    first, second = bodies(box)
    assert (len(first["lots"]), len(second["lots"])) == (500, 1)
    assert lot_ids(first) + lot_ids(second) == [f"lot-{number}" for number in range(1, 502)]
    assert [(body["part"], body["parts"]) for body in (first, second)] == [(1, 2), (2, 2)]


def test_a_part_holds_about_a_megabyte_of_texts(box):
    box.job(*[box.url()] * 30, damages="<p>" + "ё" * 50_000 + "</p>")
    received = bodies(box)
    assert sum(len(body["lots"]) for body in received) == 30
    sizes = [len(request.body) for request in box.received()]
    assert len(sizes) == 3
    assert max(sizes) < 1.2 * MB


MISSING = """
    UPDATE batch_lots
    SET missing_images = ARRAY(SELECT repeat('u', 2000) FROM generate_series(1, 50))
"""
FAILED = """
    WITH failed AS (DELETE FROM descriptions)
    UPDATE batch_lots
    SET status = 'failed', error_code = 'openai_refused', error_message = repeat('e', 50000)
"""


@pytest.mark.parametrize("change", [MISSING, FAILED])
def test_missing_images_and_errors_count_too(box, change):
    box.job(*[box.url()] * 30, before=[change])
    bodies(box)
    sizes = [len(request.body) for request in box.received()]
    assert len(sizes) >= 3
    assert max(sizes) < 1.2 * MB


def test_each_url_gets_the_lots_that_named_it(box):
    box.receiver.replies |= {"/one": Reply(), "/two": Reply()}
    box.job(box.url("/one"), box.url("/two"), box.url("/one"))
    assert [lot_ids(body) for body in bodies(box, "/one")] == [["lot-1", "lot-3"]]
    assert [lot_ids(body) for body in bodies(box, "/two")] == [["lot-2"]]


@contextmanager
def statements(engine):
    """What is asked of the database, as it is asked."""
    asked = []

    def note(_connection, _cursor, statement, *_more):
        asked.append(statement)

    event.listen(engine, "after_cursor_execute", note)
    yield asked
    event.remove(engine, "after_cursor_execute", note)


def test_parts_are_read_and_rendered_one_at_a_time(box):
    box.job(*[box.url()] * 1_500)
    engine = box.resources.engine
    with engine.begin() as connection:
        room = Room(limit=64, others=64, prompt=[], first_delay=0.0)
        claimed = delivery_claims.claim(connection, uuid4(), room)
    assert len(claimed) == 3
    with statements(engine) as asked:
        for count, (_, body) in enumerate(rendered(engine, claimed, ""), 1):
            assert isinstance(body, bytes)
            assert len(json.loads(body)["lots"]) == 500
            assert len(asked) == count
