"""What is known of a job's photos: each distinct URL once, whoever probes it.

A URL goes by its MD5: 32 hex digits here, a uuid in the table. Lists of hashes travel as one text,
because thousands a second would be slow to quote one by one; and with `= ANY` the key's index finds
them, where a join may choose to read all rows of the job.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.db.statements import rows, run

OPENAI_DOWNLOAD_FAILED = "openai_download_failed"
_HASHES = "CAST(string_to_array(:hashes, ',') AS uuid[])"


@dataclass(frozen=True, slots=True)
class Known:
    """A photo that is not to be probed now: `reachable` is None while another process does."""

    job_id: UUID
    url: str
    reachable: bool | None


def url_hash(url: str) -> str:
    return hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()


def claim(
    connection: Connection, lots: Collection[int], *, token: UUID, lease_seconds: float
) -> list[Known]:
    """Claim the photos of these lots, and return those that are not to be probed now.

    Of lots that are probed a second time a known result is probed anew, unless it came from OpenAI
    itself.
    """
    met = rows(
        connection,
        """
        WITH wanted AS MATERIALIZED (
            SELECT l.job_id, CAST(md5(convert_to(url, 'UTF8')) AS uuid) AS hash,
                   min(url) AS url, bool_or(l.reprobe) AS again
            FROM batch_lots l CROSS JOIN LATERAL unnest(l.image_urls) AS url
            WHERE l.id = ANY(CAST(:lots AS bigint[])) GROUP BY 1, 2
        ), fresh AS (
            INSERT INTO image_probes (job_id, url_hash, lease_token, lease_expires_at)
            SELECT job_id, hash, :token, now() + make_interval(secs => :lease_seconds)
            FROM wanted ORDER BY job_id, hash
            ON CONFLICT (job_id, url_hash) DO NOTHING RETURNING job_id, url_hash
        )
        SELECT job_id, CAST(hash AS text) AS hash, url, again FROM wanted
        WHERE (job_id, hash) NOT IN (SELECT job_id, url_hash FROM fresh)
        """,
        lots=sorted(lots),
        token=token,
        lease_seconds=lease_seconds,
    )
    return _claim_met(connection, met, token, lease_seconds) if met else []


def _claim_met(
    connection: Connection, met: list[Row[Any]], token: UUID, lease_seconds: float
) -> list[Known]:
    """Take over what is free of the photos that had rows; return what is not ours then.

    These are statements of their own so that they see what others committed in the meantime.
    """
    values = {
        "jobs": [row.job_id for row in met],
        "hashes": [row.hash for row in met],
        "again": [row.again for row in met],
        "token": token,
        "from_openai": OPENAI_DOWNLOAD_FAILED,
    }
    run(connection, _TAKE, lease_seconds=lease_seconds, **values)
    left = rows(connection, _NOT_OURS, **values)
    return [Known(met[row.place - 1].job_id, met[row.place - 1].url, row.reachable) for row in left]


_MET = """
    unnest(CAST(:jobs AS uuid[]), CAST(:hashes AS uuid[]), CAST(:again AS bool[]))
    WITH ORDINALITY AS met (job_id, hash, again, place)
"""
_FREE = """
    CASE WHEN p.reachable IS NULL THEN p.lease_expires_at < now()
         ELSE met.again AND p.reason IS DISTINCT FROM :from_openai END
"""
_TAKE = f"""
    WITH met AS MATERIALIZED (
        SELECT p.job_id, p.url_hash, met.again FROM {_MET} CROSS JOIN LATERAL (
            SELECT * FROM image_probes WHERE job_id = met.job_id AND url_hash = met.hash OFFSET 0
        ) p WHERE {_FREE}
    )
    UPDATE image_probes p SET reachable = NULL, reason = NULL, lease_token = :token,
           lease_expires_at = now() + make_interval(secs => :lease_seconds)
    FROM met WHERE p.job_id = met.job_id AND p.url_hash = met.url_hash AND {_FREE}
"""  # noqa: S608 - of constants
_NOT_OURS = f"""
    SELECT met.place, p.reachable FROM {_MET} CROSS JOIN LATERAL (
        SELECT * FROM image_probes WHERE job_id = met.job_id AND url_hash = met.hash OFFSET 0
    ) p WHERE p.lease_token IS DISTINCT FROM :token
"""  # noqa: S608 - of constants


def renew(
    connection: Connection,
    job_id: UUID,
    urls: Iterable[str],
    *,
    token: UUID,
    lease_seconds: float,
) -> None:
    run(
        connection,
        f"""
        UPDATE image_probes SET lease_expires_at = now() + make_interval(secs => :seconds)
        WHERE job_id = :job_id AND url_hash = ANY({_HASHES}) AND lease_token = :token
        """,  # noqa: S608 - of constants
        job_id=job_id,
        hashes=_joined(urls),
        token=token,
        seconds=lease_seconds,
    )


def release(connection: Connection, job_id: UUID, urls: Iterable[str], *, token: UUID) -> None:
    """Give back photos that were claimed and have no result: anybody may probe them now."""
    run(
        connection,
        f"""
        UPDATE image_probes SET lease_token = NULL, lease_expires_at = '-infinity'
        WHERE job_id = :job_id AND url_hash = ANY({_HASHES}) AND lease_token = :token
        """,  # noqa: S608 - of constants
        job_id=job_id,
        hashes=_joined(urls),
        token=token,
    )


def record(
    connection: Connection, job_id: UUID, token: UUID, results: Mapping[str, str | None]
) -> None:
    """Record URL -> reason it is unreachable, None where it is reachable."""
    reasons = {str(UUID(url_hash(url))): reason for url, reason in results.items() if reason}
    run(
        connection,
        f"""
        UPDATE image_probes SET lease_token = NULL, lease_expires_at = NULL,
               reachable = CAST(:reasons AS jsonb) -> CAST(url_hash AS text) IS NULL,
               reason = CAST(:reasons AS jsonb) ->> CAST(url_hash AS text)
        WHERE job_id = :job_id AND url_hash = ANY({_HASHES}) AND lease_token = :token
        """,  # noqa: S608 - of constants
        job_id=job_id,
        hashes=_joined(results),
        reasons=json.dumps(reasons),
        token=token,
    )


def refute(connection: Connection, job_id: UUID, url: str) -> None:
    """OpenAI named this URL as one it cannot download: it stays unreachable for the job."""
    run(
        connection,
        """
        UPDATE image_probes SET reachable = false, reason = :reason
        WHERE job_id = :job_id AND url_hash = CAST(:hash AS uuid)
        """,
        job_id=job_id,
        hash=url_hash(url),
        reason=OPENAI_DOWNLOAD_FAILED,
    )


def _joined(urls: Iterable[str]) -> str:
    return ",".join(map(url_hash, urls))
