"""What no service can do without, as bare as it gets: `python -m bench.floors NAME ARGUMENTS…`.

Each floor prints its seconds. It has no leases, no checks and no second thoughts: a crash in its
middle would lose or pay everything twice.
"""

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from io import StringIO
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg2

from generation_service.core.prompts import vision_body

_ROWS = 500
_BOUNDARY = "floor"


def submit(database_url: str, openai_url: str) -> float:
    """Read the lots through a server-side cursor, write their lines, POST the file."""
    connection = psycopg2.connect(database_url)
    began = time.perf_counter()
    with connection.cursor("lots") as cursor, tempfile.NamedTemporaryFile() as file:
        cursor.itersize = _ROWS
        cursor.execute("SELECT id, image_urls, additional_info FROM batch_lots ORDER BY id")
        for lot, urls, info in cursor:
            body = vision_body(
                model="gpt-6.1-terra",
                reasoning_effort="medium",
                detail="high",
                image_urls=urls,
                additional_info=info,
                max_completion_tokens=6_000,
            )
            line = {"custom_id": f"{lot}-floor", "method": "POST", "url": "/v1/chat/completions"}
            file.write(json.dumps(line | {"body": body}, ensure_ascii=False).encode() + b"\n")
        file.seek(0)
        post_file(openai_url, file.read())
    return time.perf_counter() - began


def collect(database_url: str, openai_url: str) -> float:
    """Read the newest output file, COPY its texts, UPDATE and queue translations from them."""
    connection = psycopg2.connect(database_url)
    cursor = connection.cursor()
    cursor.execute(_COPY_OF_DESCRIPTIONS)
    connection.commit()
    with urllib.request.urlopen(asked(openai_url, "/batches?limit=1")) as answer:  # noqa: S310 - loopback
        file_id = json.load(answer)["data"][0]["output_file_id"]
    began = time.perf_counter()
    with urllib.request.urlopen(asked(openai_url, f"/files/{file_id}/content")) as file:  # noqa: S310 - loopback
        chunk: list[str] = []
        for line in file:
            chunk.append(_row(json.loads(line)))
            if len(chunk) == _ROWS:
                _store(cursor, chunk)
                connection.commit()
                chunk = []
        _store(cursor, chunk)
        connection.commit()
    seconds = time.perf_counter() - began
    cursor.execute("DROP TABLE floor_descriptions; DROP SEQUENCE floor_ids")
    connection.commit()
    return seconds


def asked(openai_url: str, path: str) -> urllib.request.Request:
    return urllib.request.Request(openai_url + path, headers={"Authorization": "Bearer floor"})  # noqa: S310 - loopback


def post_file(openai_url: str, content: bytes) -> bytes:
    """Upload an input file; returns the answer."""
    address = urlsplit(openai_url)
    fields = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="floor.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    connection = HTTPConnection(address.netloc, timeout=300)
    body = fields.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": "Bearer floor",
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
    }
    connection.request("POST", f"{address.path}/files", body, headers)
    answer = connection.getresponse()
    document = answer.read()
    if answer.status != 200:  # noqa: PLR2004 - or the floor would measure a refusal
        raise RuntimeError(document)
    return document


def _row(line: dict[str, Any]) -> str:
    body = line["response"]["body"]
    damages = body["choices"][0]["message"]["content"].replace("\\", "\\\\").replace("\n", "\\n")
    usage = body["usage"]
    identity = line["custom_id"].partition("-")[0]
    return f"{identity}\t{damages}\t{usage['prompt_tokens']}\t{usage['completion_tokens']}\n"


def _store(cursor: Any, chunk: list[str]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE answers (id bigint, damages text, prompt int, completion int)"
        " ON COMMIT DROP"
    )
    cursor.copy_expert("COPY answers FROM STDIN", StringIO("".join(chunk)))
    cursor.execute(_RECORD)
    cursor.execute(_QUEUE)


_COPY_OF_DESCRIPTIONS: Final = """
    CREATE TABLE floor_descriptions (LIKE descriptions INCLUDING ALL EXCLUDING IDENTITY);
    CREATE SEQUENCE floor_ids START 1000000000;
    ALTER TABLE floor_descriptions ALTER COLUMN id SET DEFAULT nextval('floor_ids');
    INSERT INTO floor_descriptions SELECT * FROM descriptions;
"""
_RECORD: Final = """
    UPDATE floor_descriptions d SET status = 'completed', damages = a.damages,
           prompt_tokens = a.prompt, completion_tokens = a.completion
    FROM answers a WHERE d.id = a.id
"""
_QUEUE: Final = """
    INSERT INTO floor_descriptions (job_id, lot, kind, language, estimated_tokens)
    SELECT d.job_id, d.lot, 'translation', tag, 100 + octet_length(d.damages) / 3
    FROM answers a JOIN floor_descriptions d ON d.id = a.id, unnest('{ru,de}'::text[]) AS tag
"""

_FLOORS: Final[Mapping[str, Callable[..., float]]] = {"submit": submit, "collect": collect}

if __name__ == "__main__":
    print(_FLOORS[sys.argv[1]](*sys.argv[2:]))
