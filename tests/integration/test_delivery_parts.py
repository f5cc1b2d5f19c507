"""How a run's results are cut into webhooks: 500 lots and about 1 MB at most."""

import json

import pytest

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
