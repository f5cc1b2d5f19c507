import json

from generation_service.core.status import JobStatus
from generation_service.core.webhook_payload import Part, Payload, render, sample

PART = Part(delivery_id="d-1", run=2, part=3, parts=4)
LOT = {
    "lot_id": "a",
    "status": "completed",
    "descriptions": [{"language": "ru", "damages": "<p>Вмятина</p>"}],
    "missing_images": [],
}


def body(**metadata):
    payload = Payload(
        job_id="j-1",
        status=JobStatus.COMPLETED,
        completed_at="2025-08-05T08:15:00Z",
        metadata=metadata or None,
        lots=json.dumps(LOT, ensure_ascii=False, separators=(",", ":")),
    )
    return render(payload, PART, "https://service.example")


def test_a_payload_tells_of_the_job_and_of_the_delivery():
    assert json.loads(body(order="7")) == {
        "job_id": "j-1",
        "status": "completed",
        "completed_at": "2025-08-05T08:15:00Z",
        "lots": [LOT],
        "metadata": {"order": "7"},
        "delivery_id": "d-1",
        "run": 2,
        "part": 3,
        "parts": 4,
        "results_url": "https://service.example/api/v1/batch-results/j-1",
    }


def test_texts_are_sent_as_utf_8_without_spaces():
    assert '"damages":"<p>Вмятина</p>"'.encode() in body()


def test_a_sample_has_the_fields_of_a_real_one_and_says_that_it_is_a_test():
    document = json.loads(render(sample("2025-08-05T08:15:00Z"), PART, ""))
    assert document.pop("test") is True
    assert document.keys() == json.loads(body()).keys()
    assert document["lots"][0].keys() == {"lot_id", "status", "descriptions", "missing_images"}
