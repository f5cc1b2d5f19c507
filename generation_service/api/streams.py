"""Long JSON answers, sent piece by piece (docs/api.md §5).

Nothing is held while the client reads: rows come in pages, a short transaction each, and a piece
of at most 300,000 bytes must leave within 30 s, so a reader slower than 10 KB/s is cut off.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

import structlog
from flask import Response, request
from sqlalchemy import Engine

from generation_service.api.database import request_statement
from generation_service.api.query import ResultsFilter
from generation_service.api.responses import GZIP_LEVEL, accepts_gzip, render
from generation_service.api.slow_peers import PIECE_BYTES, limit_sending
from generation_service.core.errors import ServiceError
from generation_service.core.limits import MAX_LOTS, RESULTS_PAGE_TEXTS
from generation_service.core.status import JOB_ACTIVE
from generation_service.db.jobs import Job
from generation_service.db.results import LotsPage, lots_page

_GZIP_FORMAT: Final = 31  # zlib's wbits for "gzip header, largest window"
_TAIL: Final = b"]}}"
_CHANGED: Final = "The job was retried or deleted while its results were read; ask again."

log = structlog.get_logger(__name__)


def streamed(body: Iterable[bytes], headers: Mapping[str, str]) -> Response:
    """An answer of unknown length, packed when the client takes gzip.

    The first piece is made before the headers leave, so that a database that fails at once still
    makes a 503.
    """
    packed = accepts_gzip()
    rest = pieces(_gzipped(body) if packed else body)
    first = next(rest, b"")
    response = Response(_logged(chain((first,), rest)), mimetype="application/json")
    response.headers.update(headers)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    limit_sending(request)
    return response


def results_body(
    engine: Engine, job: Job, head: Mapping[str, object], wanted: ResultsFilter
) -> Iterator[bytes]:
    """The results document: `head` ends in an empty `results.lots`, which is filled here."""
    opening = render(head)
    if not opening.endswith(_TAIL):
        raise ValueError("the head must end with an empty list of lots")
    yield opening.removesuffix(_TAIL)
    separator = b""
    for page in lot_pages(engine, job, wanted):
        yield separator
        yield page
        separator = b","
    yield _TAIL


def lot_pages(engine: Engine, job: Job, wanted: ResultsFilter) -> Iterator[bytes]:
    """The documents of the job's settled lots that match, by position, some hundred at a time."""
    after, skip = -1, wanted.offset
    if wanted.lot_id is None and wanted.status is None and job.status not in JOB_ACTIVE:
        after, skip = wanted.offset - 1, 0  # no position is left out: no need to count them
    left = MAX_LOTS if wanted.limit is None else wanted.limit
    while left:
        limit = min(left, max(1, RESULTS_PAGE_TEXTS // len(job.languages)))
        page = _page(engine, job, wanted, after=after, skip=skip, limit=limit)
        if page.documents:
            yield ",".join(page.documents).encode()
        if page.is_end:
            return
        after, skip, left = page.last, 0, left - len(page.documents)


def _page(
    engine: Engine, job: Job, wanted: ResultsFilter, *, after: int, skip: int, limit: int
) -> LotsPage:
    with request_statement(engine) as connection:
        page = lots_page(
            connection,
            job,
            after=after,
            skip=skip,
            limit=limit,
            lot_id=wanted.lot_id,
            status=wanted.status,
            settled_only=job.status in JOB_ACTIVE,
        )
    if page is None:
        raise ServiceError("busy", _CHANGED, retry_after=1)
    return page


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of 300,000, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _logged(body: Iterator[bytes]) -> Iterator[bytes]:
    """Log what goes wrong after the headers have left; the broken connection tells the client."""
    try:
        yield from body
    except Exception:
        log.exception("results_cut_short")
        raise
