"""A whole job with nothing around it: `python -m bench.bare_job ARGUMENTS…`.

The arguments are DATABASE OPENAI BODY RECEIVER PARTS; the last is a JSON file with the sizes of the
webhooks. Every step that no service can leave out is taken, one after the other, on tables of the
service's own, and the seconds that each took are printed as JSON. No leases, no counters, no
checks, no sanitiser: a crash in the middle would lose everything, or pay for it twice.
"""

import hashlib
import hmac
import http.client
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg2
from psycopg2.extras import register_uuid

from bench.floors import asked, post_file
from bench.transfers import fetch_all
from bench.world import LANGUAGES
from generation_service.core.prompts import translation_body, vision_body
from generation_service.db.statements import LineReader, copy_line

_ROWS: Final = 500
_POLL_SECONDS: Final = 0.05
_BATCH_LINES: Final = 40_000  # of 4.2 KB for a translation; OpenAI takes 200 MB
_PHOTO_BYTES: Final = 4_096
_WITHIN_SECONDS: Final = 1_800.0


class BareJob:
    """The steps share a connection; `seconds` is what each took."""

    def __init__(self, database_url: str, openai_url: str) -> None:
        register_uuid()  # type: ignore[no-untyped-call]
        self.seconds: dict[str, float] = {}
        self._connection = psycopg2.connect(database_url)
        self._openai = openai_url
        self._job = uuid4()
        self._deadline = time.monotonic() + _WITHIN_SECONDS

    def run(self, body: Path, receiver: str, parts: Sequence[int]) -> None:
        text = body.read_bytes()
        urls = self._timed("accept", lambda: self._accept(text))
        self._timed("photos", lambda: fetch_all(urls, _PHOTO_BYTES))
        self._queue_vision()
        for kind in ("vision", "translation"):
            for ids in self._files(kind):
                self._batch(kind, ids)
        self._timed("webhooks", lambda: _post_parts(receiver, parts))

    def _timed(self, step: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began
        return result

    def _batch(self, kind: str, ids: tuple[int, int]) -> None:
        file_id = self._timed(f"{kind} submitted", lambda: self._submit(kind, ids))
        output = self._timed("OpenAI", lambda: self._answered(file_id))
        self._timed(f"{kind} collected", lambda: self._collect(kind, output))

    def _accept(self, text: bytes) -> list[str]:
        lots = json.loads(text)["lots"]
        canonical = json.dumps(lots, separators=(",", ":"), sort_keys=True).encode()
        hmac.new(b"key", canonical, hashlib.sha256).hexdigest()
        cursor = self._connection.cursor()
        cursor.execute(_JOB, {"job": self._job, "languages": list(LANGUAGES), "lots": len(lots)})
        cursor.copy_expert(_LOTS, LineReader(_lines(self._job, lots)))  # type: ignore[arg-type]  # psycopg2 takes text, too
        self._connection.commit()
        return [image["url"] for lot in lots for image in lot["images"]]

    def _queue_vision(self) -> None:
        """Not counted, though a service must: it queues what is probed as it comes."""
        cursor = self._connection.cursor()
        cursor.execute(_VISION, {"job": self._job})
        cursor.execute("ANALYZE")
        self._connection.commit()

    def _files(self, kind: str) -> Iterator[tuple[int, int]]:
        """The first and the last id of each input file."""
        cursor = self._connection.cursor()
        cursor.execute("SELECT id FROM descriptions WHERE kind = %s ORDER BY id", [kind])
        ids = [row[0] for row in cursor]
        for start in range(0, len(ids), _BATCH_LINES):
            some = ids[start : start + _BATCH_LINES]
            yield some[0], some[-1]

    def _submit(self, kind: str, ids: tuple[int, int]) -> str:
        with self._connection.cursor("lines") as cursor, tempfile.NamedTemporaryFile() as file:
            cursor.itersize = _ROWS
            cursor.execute(_REQUESTS[kind], ids)
            for identity, *rest in cursor:
                line = {"custom_id": f"{identity}-1", "method": "POST", "body": _BODY[kind](*rest)}
                line["url"] = "/v1/chat/completions"
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.seek(0)
            answer = post_file(self._openai, file.read())
        self._connection.commit()
        return str(json.loads(answer)["id"])

    def _answered(self, file_id: str) -> str:
        """Create the batch and wait: what the simulator takes is nobody's doing here."""
        wanted = {"input_file_id": file_id, "endpoint": "/v1/chat/completions"}
        state = self._ask("/batches", json.dumps(wanted | {"completion_window": "24h"}))
        while state["status"] != "completed":
            if state["status"] == "failed" or time.monotonic() > self._deadline:
                raise RuntimeError(f"the simulator's batch did not complete: {state}")
            time.sleep(_POLL_SECONDS)
            state = self._ask(f"/batches/{state['id']}")
        return str(state["output_file_id"])

    def _ask(self, path: str, body: str | None = None) -> dict[str, Any]:
        request = asked(self._openai, path)
        if body is not None:
            request.data = body.encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - loopback
            document: dict[str, Any] = json.load(answer)
            return document

    def _collect(self, kind: str, file_id: str) -> None:
        request = asked(self._openai, f"/files/{file_id}/content")
        cursor = self._connection.cursor()
        with urllib.request.urlopen(request, timeout=300) as file:  # noqa: S310 - loopback
            chunk: list[str] = []
            for line in file:
                chunk.append(_answer_row(json.loads(line)))
                if len(chunk) == _ROWS:
                    self._store(cursor, kind, chunk)
                    chunk = []
            self._store(cursor, kind, chunk)

    def _store(self, cursor: Any, kind: str, chunk: Sequence[str]) -> None:
        cursor.execute(_ANSWERS)
        cursor.copy_expert("COPY answers FROM STDIN", StringIO("".join(chunk)))
        cursor.execute(_RECORD)
        if kind == "vision":
            cursor.execute(_TRANSLATIONS)
        self._connection.commit()


def _lines(job: UUID, lots: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for position, lot in enumerate(lots):
        urls = [image["url"] for image in lot["images"]]
        yield copy_line(job, position, lot["lot_id"], lot["additional_info"], urls, lot["webhook"])


def _answer_row(line: Mapping[str, Any]) -> str:
    body = line["response"]["body"]
    damages = body["choices"][0]["message"]["content"].replace("\\", "\\\\").replace("\n", "\\n")
    usage = body["usage"]
    identity = line["custom_id"].partition("-")[0]
    return f"{identity}\t{damages}\t{usage['prompt_tokens']}\t{usage['completion_tokens']}\n"


def _vision_body(urls: Sequence[str], info: str) -> dict[str, object]:
    return vision_body(
        model="gpt-6.1-terra",
        reasoning_effort="medium",
        detail="high",
        image_urls=urls,
        additional_info=info,
        max_completion_tokens=6_000,
    )


def _translation_body(english: str, language: str) -> dict[str, object]:
    return translation_body(
        model="gpt-6-luna",
        reasoning_effort="none",
        english=english,
        language=language,
        max_completion_tokens=4_000,
    )


def _post_parts(receiver: str, parts: Sequence[int]) -> None:
    """As many bytes as the webhooks have, one after the other, on an open connection."""
    connection = http.client.HTTPConnection(urlsplit(receiver).netloc, timeout=60)
    longest = bytes(max(parts, default=0))
    for size in parts:
        connection.request("POST", "/", longest[:size])
        connection.getresponse().read()
    connection.close()


_BODY: Final[Mapping[str, Callable[..., dict[str, object]]]] = {
    "vision": _vision_body,
    "translation": _translation_body,
}
_JOB: Final = """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total)
    VALUES (%(job)s, 'default', 'processing', '1.0.0', %(languages)s, '{ru,de}', %(lots)s)
"""
_LOTS: Final = """
    COPY batch_lots (job_id, position, lot_id, additional_info, image_urls, webhook_url) FROM STDIN
"""
_VISION: Final = """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens)
    SELECT job_id, id, 'vision', 'en', 'submitted', 30000
    FROM batch_lots WHERE job_id = %(job)s ORDER BY position
"""
_REQUESTS: Final = {
    "vision": """
        SELECT d.id, l.image_urls, l.additional_info
        FROM descriptions d JOIN batch_lots l ON l.id = d.lot
        WHERE d.kind = 'vision' AND d.id BETWEEN %s AND %s ORDER BY d.id
    """,
    "translation": """
        SELECT d.id, english.damages, d.language
        FROM descriptions d JOIN descriptions english
             ON english.lot = d.lot AND english.kind = 'vision'
        WHERE d.kind = 'translation' AND d.id BETWEEN %s AND %s ORDER BY d.id
    """,
}
_ANSWERS: Final = """
    CREATE TEMPORARY TABLE answers (id bigint, damages text, prompt int, completion int)
    ON COMMIT DROP
"""
_RECORD: Final = """
    UPDATE descriptions d SET status = 'completed', damages = a.damages,
           prompt_tokens = a.prompt, completion_tokens = a.completion
    FROM answers a WHERE d.id = a.id
"""
_TRANSLATIONS: Final = """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens)
    SELECT d.job_id, d.lot, 'translation', tag, 'submitted', 100 + octet_length(d.damages) / 3
    FROM answers a JOIN descriptions d ON d.id = a.id, unnest('{ru,de}'::text[]) AS tag
"""


def main() -> None:
    database_url, openai_url, body, receiver, parts = sys.argv[1:6]
    bare = BareJob(database_url, openai_url)
    bare.run(Path(body), receiver, json.loads(Path(parts).read_text()))
    print(json.dumps(bare.seconds))


if __name__ == "__main__":
    main()
