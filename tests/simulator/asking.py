"""Requests to make, and what becomes of batches of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from openai import OpenAI
from openai.types import Batch

from tests.simulator.openapi import validate_output_line
from tests.waiting import until

CHAT = "/v1/chat/completions"
ENDED = {"completed", "failed", "expired", "cancelled"}

Line = dict[str, Any]


def chat(content: object = "Good day", **more: object) -> dict[str, Any]:
    return {
        "model": "gpt-6-luna",
        "messages": [{"role": "user", "content": content}],
        "reasoning_effort": "none",
        **more,
    }


def picture(url: str, detail: str = "high") -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url, "detail": detail}}


def line(custom_id: str, *, url: str = CHAT, body: object = None, **more: object) -> Line:
    given = chat(f"Good day, {custom_id}") if body is None else body
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": given, **more}


def lines(count: int) -> list[Line]:
    return [line(f"c{number}") for number in range(count)]


def jsonl(requests: Sequence[Mapping[str, object]]) -> bytes:
    return b"".join(json.dumps(request).encode() + b"\n" for request in requests)


def upload(client: OpenAI, content: bytes) -> str:
    return client.files.create(file=("input.jsonl", content), purpose="batch").id


def create(client: OpenAI, file_id: str, **more: Any) -> Batch:
    options: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file_id, **options)


def submit(client: OpenAI, requests: Sequence[Mapping[str, object]], **more: Any) -> Batch:
    return create(client, upload(client, jsonl(requests)), **more)


def reached(client: OpenAI, batch: Batch, *statuses: str) -> Batch:
    """The batch once it has one of the statuses."""

    def seen() -> Batch | None:
        found = client.batches.retrieve(batch.id)
        return found if found.status in statuses else None

    return until(seen, what=f"{batch.id} {' or '.join(statuses)}")


def ended(client: OpenAI, batch: Batch) -> Batch:
    return reached(client, batch, *ENDED)


def run(client: OpenAI, requests: Sequence[Mapping[str, object]], **more: Any) -> Batch:
    return ended(client, submit(client, requests, **more))


def raw_lines(client: OpenAI, file_id: str | None) -> list[bytes]:
    assert file_id is not None
    return client.files.content(file_id).read().splitlines(keepends=True)


def answers(client: OpenAI, file_id: str | None, endpoint: str = CHAT) -> dict[str, Line]:
    """The lines of an output or error file by custom_id, each as OpenAI describes it."""
    found = [json.loads(raw) for raw in raw_lines(client, file_id)]
    for each in found:
        validate_output_line(each, endpoint)
    return {each["custom_id"]: each for each in found}


def text_of(answer: Line) -> str:
    return str(answer["response"]["body"]["choices"][0]["message"]["content"])
