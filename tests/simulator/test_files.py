"""Files: uploaded as forms, listed, read and deleted."""

import httpx2
import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import upload


def form(simulator: Simulator, fields: dict[str, str], *, name: str = "a.jsonl") -> httpx2.Response:
    return httpx2.post(
        f"{simulator.base_url}/files",
        data=fields,
        files={"file": (name, b"{}\n")},
        headers={"Authorization": "Bearer sk-x"},
    )


def test_what_was_uploaded_can_be_read_back(client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", b"line\n" * 1000), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (5000, "a.jsonl", "batch")
    assert client.files.content(file.id).read() == b"line\n" * 1000
    assert client.files.retrieve(file.id) == file


def test_a_file_larger_than_any_buffer_arrives_whole(client: OpenAI) -> None:
    content = bytes(range(256)) * 20_000
    assert client.files.content(upload(client, content)).read() == content


def test_a_batch_file_goes_after_thirty_days_or_when_it_is_told_to(client: OpenAI) -> None:
    usual = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    short = client.files.create(
        file=("a.jsonl", b"{}"),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3_600},
    )
    assert usual.expires_at == usual.created_at + 30 * 24 * 3600
    assert short.expires_at == short.created_at + 3_600


def test_a_deleted_file_is_gone(client: OpenAI) -> None:
    file_id = upload(client, b"{}")
    assert client.files.delete(file_id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file_id)
    assert list(client.files.list()) == []


def test_files_are_listed_newest_first_and_page_by_page(client: OpenAI) -> None:
    ids = [upload(client, b"{}") for _ in range(5)]
    assert [file.id for file in client.files.list(limit=2)] == ids[::-1]
    assert [file.id for file in client.files.list(order="asc", limit=2)] == ids
    assert client.files.list(limit=2).has_more


def test_files_are_listed_by_purpose(client: OpenAI) -> None:
    other = client.files.create(file=("a.txt", b"x"), purpose="user_data")
    upload(client, b"{}")
    assert [file.id for file in client.files.list(purpose="user_data")] == [other.id]


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "order=up", "after=file-1"])
def test_a_faulty_query_is_a_400(simulator: Simulator, query: str) -> None:
    url = f"{simulator.base_url}/files?{query}"
    assert httpx2.get(url, headers={"Authorization": "Bearer sk-x"}).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"purpose": "fun"},
        {"purpose": "batch", "colour": "red"},
        {"purpose": "batch", "expires_after[anchor]": "created_at"},
        {"purpose": "batch", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
        {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "1"},
    ],
)
def test_a_faulty_form_is_a_400_and_leaves_nothing(
    simulator: Simulator, client: OpenAI, fields: dict[str, str]
) -> None:
    assert form(simulator, fields).status_code == 400
    assert list(client.files.list()) == []


def test_a_batch_file_must_be_jsonl(simulator: Simulator) -> None:
    answer = form(simulator, {"purpose": "batch"}, name="input.txt")
    assert answer.status_code == 400
    assert "Must be .jsonl" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nno form"),
    ],
)
def test_a_body_that_is_no_form_is_a_400(simulator: Simulator, kind: str, body: bytes) -> None:
    headers = {"Authorization": "Bearer sk-x", "Content-Type": kind}
    assert (
        httpx2.post(f"{simulator.base_url}/files", content=body, headers=headers).status_code == 400
    )
