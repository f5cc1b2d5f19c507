"""Orders that come more than once, at the running service of two processes."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from sqlalchemy import text

from generation_service.db.engine import make_engine
from tests.acceptance.client import Client, canonical, lot, sign
from tests.running import get
from tests.waiting import until

TIMES = 50


def order(service, lots, languages=("en",), **headers):
    """A function that posts the order and returns the answer; each call is a request."""
    signature = sign(service.shared_key, canonical(lots))
    body = {"version": "1.0.0", "languages": languages, "lots": lots, "signature": signature}
    url = f"{service.base_url}/api/v1/generate-descriptions"
    return lambda: requests.request("POST", url, json=body, headers=headers, timeout=60)


def at_once(post):
    start = Barrier(TIMES)

    def send(_number):
        start.wait()
        return post()

    with ThreadPoolExecutor(TIMES) as pool:
        return list(pool.map(send, range(TIMES)))


def is_replay(answer):
    return answer.headers.get("Idempotent-Replayed") == "true"


def billed(simulator, photo):
    """How often a description of this photo was billed."""
    return sum(photo in entry["image_urls"] for entry in simulator.ledger())


def test_fifty_identical_jobs_at_once_are_one_paid_once(service, photos, simulator, database_url):
    urls = [photos.url("/1.jpg?fifty"), photos.url("/2.png?fifty")]
    before = scalar(database_url, JOBS_COUNTED)
    answers = at_once(order(service, [lot("a", urls[0]), lot("b", urls[1])], ["en", "de"]))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert Counter(map(is_replay, answers)) == {False: 1, True: TIMES - 1}
    Client(service).finished(answers[0].json()["job_id"])
    assert [billed(simulator, url) for url in urls] == [1, 1]
    assert scalar(database_url, JOBS_COUNTED) == before + 1


def test_fifty_identical_lots_at_once_are_paid_once(service, photos, simulator):
    url = photos.url("/1.jpg?sync")
    post = order(service, [lot("a", url)], ["en", "de"])
    answers = at_once(post)
    assert Counter((a.status_code, is_replay(a)) for a in answers)[200, False] == 1
    assert {a.json()["error"] for a in answers if a.status_code != 200} <= {"in_progress"}
    assert billed(simulator, url) == 1
    assert is_replay(post())


def test_answers_are_replayed_after_a_crash(service, photos):
    job = order(service, [lot("a", photos.url("/1.jpg")), lot("b", photos.url("/2.png"))])
    single = order(service, [lot("a", photos.url("/3.webp"))], **{"Idempotency-Key": "crash"})
    before = [job(), single()]
    service.again()
    service.wait_until_healthy()
    after = [job(), single()]
    assert [answer.content for answer in after] == [answer.content for answer in before]
    assert all(map(is_replay, after))


def test_a_lot_at_work_in_a_crash_can_be_sent_again_soon(service, photos, simulator, database_url):
    post = order(service, [lot("a", photos.url("/1.jpg?crash"))])
    simulator.add_rule(on="chat", do="hang", match={"image_url": "crash"}, times=1)
    with ThreadPoolExecutor(1) as pool:
        cut_off = pool.submit(post)
        until(lambda: hung(simulator), what="OpenAI is at work")
        service.again()
        with pytest.raises(requests.ConnectionError):
            cut_off.result()
    service.wait_until_healthy()
    assert post().json()["error"] == "in_progress"
    until(lambda: not scalar(database_url, LEASED), seconds=30, what="the lease ends")
    answer = post()
    assert (answer.status_code, is_replay(answer)) == (200, False)


def hung(simulator):
    return json.loads(get(f"http://127.0.0.1:{simulator.port}/simulator/firings")[1])


def scalar(database_url, statement):
    engine = make_engine(database_url)
    with engine.begin() as connection:
        value = connection.execute(text(statement)).scalar_one()
    engine.dispose()
    return value


JOBS_COUNTED = "SELECT coalesce(sum(hits), 0) FROM rate_limit_windows WHERE key = 'batch:default'"
LEASED = "SELECT count(*) FROM idempotency_keys WHERE lease_expires_at > now()"
