"""POST /v1/files: a multipart form, its file streamed to disk."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from openai_simulator.connections import Request
from openai_simulator.errors import invalid
from openai_simulator.files import DAYS_30, Files, StoredFile
from openai_simulator.schema import missing, string, unknown
from openai_simulator.shapes import EXPIRY

MAX_BYTES: Final = 512 * 1024 * 1024
MAX_FIELD_BYTES: Final = 1024 * 1024  # must exceed the parser's buffer of 64 KiB
_PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_FIELDS: Final = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})


def upload(request: Request, files: Files) -> StoredFile:
    """Keep the uploaded file; raises the 400 that OpenAI gives for a faulty form."""
    path = files.new_upload()
    try:
        with _received(request, path) as (fields, file):
            return _keep(path, fields, file, files)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _received(
    request: Request, path: Path
) -> Iterator[tuple[Mapping[str, str], FileStorage | None]]:
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    if kind != "multipart/form-data":
        raise invalid("Expected multipart/form-data.")
    with path.open("wb+") as target:
        yield _parsed(request, kind, options, target)


def _parsed(
    request: Request, kind: str, options: dict[str, str], target: IO[bytes]
) -> tuple[Mapping[str, str], FileStorage | None]:
    parser = FormDataParser(
        stream_factory=lambda *_args, **_options: target,
        max_form_memory_size=MAX_FIELD_BYTES,
        max_form_parts=10,
        silent=False,
    )
    try:
        _, fields, files = parser.parse(request.stream, kind, None, options)
    except (ValueError, RequestEntityTooLarge) as error:
        raise invalid("Could not parse multipart form.") from error
    if len(files) > 1:
        raise unknown(next(name for name in files if name != "file"))
    target.flush()
    return fields, files.get("file")


def _keep(
    path: Path, fields: Mapping[str, str], file: FileStorage | None, files: Files
) -> StoredFile:
    for name in fields:
        if name not in _FIELDS:
            raise unknown(name)
    if "purpose" not in fields:
        raise missing("purpose")
    if file is None:
        raise missing("file")
    purpose, filename = fields["purpose"], file.filename or ""
    string(choices=_PURPOSES)(purpose, "purpose")
    if purpose == "batch" and not filename.endswith(".jsonl"):
        raise invalid("Invalid file format for Batch API. Must be .jsonl")
    if path.stat().st_size > MAX_BYTES:
        raise invalid(f"The file exceeds {MAX_BYTES} bytes.", param="file")
    return files.add(path, filename=filename, purpose=purpose, seconds=_seconds(fields, purpose))


def _seconds(fields: Mapping[str, str], purpose: str) -> int | None:
    """How long the file is kept; batch files go after 30 days unless told otherwise."""
    given = {
        name: fields[f"expires_after[{name}]"]
        for name in ("anchor", "seconds")
        if f"expires_after[{name}]" in fields
    }
    if not given:
        return DAYS_30 if purpose == "batch" else None
    seconds = given.get("seconds", "")
    expiry = {**given, "seconds": int(seconds)} if seconds.isdigit() else given
    EXPIRY(expiry, "expires_after")
    return int(seconds)
