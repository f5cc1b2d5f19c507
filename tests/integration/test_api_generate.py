"""POST /generate-descriptions and /test-image-validation."""

import gzip
import json
import re
from threading import Event, Thread

import pytest

from tests.integration.api_service import (
    GENERATE,
    OTHER_KEY,
    PNG,
    completion,
    serving,
)
from tests.servers import Reply
from tests.waiting import until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TABLES = ("batch_jobs", "batch_lots", "descriptions", "webhook_deliveries")


@pytest.fixture
def service(engine):
    with serving(engine, max_request_bytes=100_000) as service:
        yield service


def refused(service, answer, status, code):
    """The error is the expected one, and the refusal left no row and asked nobody."""
    assert (answer.status_code, answer.json["error"]) == (status, code), answer.text
    assert answer.json["message"]
    assert [service.rows(table) for table in TABLES] == [0] * len(TABLES)
    assert service.outside.received == []
    return True


def test_one_lot_is_answered_at_once(service):
    service.outside.replies["/v1/chat/completions"] = [
        completion("<p>A dent.</p>"),
        completion("<p>Eine Delle.</p>"),
    ]
    lot = service.lot(7)
    lot["images"] = [*lot["images"] * 3, {"url": service.outside.url("/gone.jpg")}]
    answer = service.generate(lot, languages=["de", "EN"])
    assert answer.status_code == 200
    assert answer.json == {
        "version": "1.0.0",
        "lots": [
            {
                "lot_id": "lot-7",
                "descriptions": [
                    {"language": "de", "damages": "<p>Eine Delle.</p>"},
                    {"language": "EN", "damages": "<p>A dent.</p>"},
                ],
                "missing_images": [service.outside.url("/gone.jpg")],
            }
        ],
    }


def test_a_lot_without_enough_photos_is_a_400_that_lists_them(service):
    gone = service.outside.url("/gone.jpg")
    answer = service.generate(service.lot(images=[{"url": gone}]))
    assert (answer.status_code, answer.json["error"]) == (400, "too_many_unreachable_images")
    assert answer.json["unreachable_urls"] == [gone]


def test_an_image_at_a_private_address_is_only_unreachable(service):
    private = "http://127.0.0.1:1/a.jpg"
    answer = service.generate(service.lot(images=[{"url": private}]))
    assert answer.json["unreachable_urls"] == [private]


def test_two_lots_are_a_job(service):
    answer = service.generate(service.lot(1), service.lot(2), languages=["en", "de"])
    assert answer.status_code == 201
    document = answer.json
    job_id = document.pop("job_id")
    times = [document.pop(name) for name in ("created_at", "estimated_completion")]
    assert document == {"status": "accepted", "total_lots": 2, "languages": ["en", "de"]}
    assert all(TIME.fullmatch(time) for time in times)
    assert times[0] < times[1]
    assert service.ask("/batch-status/{job_id}", job_id).json["status"] == "pending"


def test_a_packed_body_is_taken(service):
    packed = gzip.compress(json.dumps(service.signed([service.lot(1), service.lot(2)])).encode())
    answer = service.client.post(GENERATE, data=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 201


def test_extra_fields_are_signed_and_ignored(service):
    answer = service.generate(service.lot(1, vin="ж😀"), service.lot(2, price=1.5), note="x")
    assert answer.status_code == 201


BAD_JSON = [
    b"",
    b"[]",
    b"{",
    b'{"version": NaN}',
    b'{"version": Infinity}',
    b'{"version": 1e999}',
    b'{"version": "1", "version": "2"}',
    b'{"version": "\\u0000"}',
    b'{"version": "\\ud800"}',
    b'{"version": "\xff"}',
    b"[" * 100_00,
    b'{"a":' * 33 + b"1" + b"}" * 33,
]


@pytest.mark.parametrize("body", BAD_JSON)
@pytest.mark.parametrize("path", [GENERATE, "/api/v1/test-image-validation"])
def test_bad_json_is_a_400(service, path, body):
    assert refused(service, service.client.post(path, data=body), 400, "invalid_json")


def test_too_large_a_body_is_a_413_even_if_it_is_no_json(service):
    answer = service.client.post(GENERATE, data=b"x" * 100_001)
    assert refused(service, answer, 413, "request_too_large")


def test_a_wrong_signature_is_a_403_even_if_the_fields_are_wrong_too(service):
    body = service.signed([service.lot(1), service.lot(1)], OTHER_KEY, version="7")
    answer = service.client.post(GENERATE, json=body)
    assert refused(service, answer, 403, "invalid_body_signature")


def test_the_signature_covers_every_field_of_the_lots(service):
    body = service.signed([service.lot(1), service.lot(2)])
    body["lots"][0]["mileage"] = 7
    answer = service.client.post(GENERATE, json=body)
    assert refused(service, answer, 403, "invalid_body_signature")


def test_wrong_fields_are_a_400_with_their_paths(service):
    answer = service.generate(service.lot(1), service.lot("x" * 129), version="2.0.0")
    assert refused(service, answer, 400, "invalid_request")
    paths = [detail["path"] for detail in answer.json["details"]]
    assert sorted(paths) == ["lots[1].lot_id", "version"]


def test_an_unknown_language_is_named(service):
    answer = service.generate(service.lot(1), service.lot(2), languages=["en", "qq-QQ"])
    assert refused(service, answer, 400, "unknown_language")
    assert "qq-QQ" in answer.json["message"]


def test_when_all_slots_are_taken_the_next_lot_is_a_503(engine):
    with serving(engine, max_sync_per_process=1) as service:
        held = Event()
        service.outside.replies["/photo.png"] = Reply(body=PNG.body, held=held)
        first = Thread(target=service.generate, args=[service.lot()])
        first.start()
        until(lambda: service.outside.hits("/photo.png"), what="the first lot holds the slot")
        answer = service.generate(service.lot(2))
        held.set()
        first.join()
        assert (answer.status_code, answer.json["error"]) == (503, "busy")
        assert int(answer.headers["Retry-After"]) > 0
        assert service.generate(service.lot(2)).status_code == 200


def check_images(service, photos, **changes):
    signed = service.signed(photos)
    body = {"urls": photos, "signature": signed["signature"]} | changes
    return service.client.post("/api/v1/test-image-validation", json=body)


def test_images_are_checked_in_advance(service):
    photo, gone = service.outside.url("/photo.png"), service.outside.url("/gone.png")
    answer = check_images(service, [gone, photo, "no url", photo])
    assert answer.status_code == 200
    assert answer.json == {
        "valid_urls": [photo, photo],
        "unreachable_urls": [gone, "no url"],
        "threshold_met": False,
        "reasons": {gone: "http_status_404", "no url": "bad_url"},
    }


def test_the_threshold_is_met_by_7_of_10(service):
    photos = [service.outside.url(f"/photo.png?{n}") for n in range(7)]
    gone = [service.outside.url(f"/gone.png?{n}") for n in range(3)]
    assert check_images(service, photos + gone).json["threshold_met"] is True


@pytest.mark.parametrize("changes", [{"signature": "0"}, {"signature": None}, {"urls": []}])
def test_image_validation_is_signed(service, changes):
    answer = check_images(service, [service.outside.url("/photo.png")], **changes)
    assert refused(service, answer, 403, "invalid_body_signature")


def test_the_signature_of_image_validation_may_be_dropped(engine):
    with serving(engine, allow_unsigned_image_validation=True) as service:
        photo = service.outside.url("/photo.png")
        answer = service.client.post("/api/v1/test-image-validation", json={"urls": [photo]})
        assert answer.json["valid_urls"] == [photo]


def test_image_validation_takes_100_urls(service):
    answer = check_images(service, [service.outside.url(f"/{n}") for n in range(101)])
    assert refused(service, answer, 400, "invalid_request")
