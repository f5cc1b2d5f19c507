"""What is known of a job's photos: each distinct URL once, whoever probes it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import Connection

from generation_service.db.statements import rows, run

OPENAI_DOWNLOAD_FAILED = "openai_download_failed"


def url_hash(url: str) -> UUID:
    return UUID(bytes=hashlib.md5(url.encode(), usedforsecurity=False).digest())


def claim(
    connection: Connection,
    job_id: UUID,
    urls: Iterable[str],
    *,
    token: UUID,
    lease_seconds: float,
    again: bool = False,
) -> list[str]:
    """Claim the URLs that nobody has probed or is probing; return those that are ours now.

    With `again` a known result is probed anew, unless it came from OpenAI itself.
    """
    by_hash = {url_hash(url): url for url in urls}
    ours = rows(
        connection,
        """
        INSERT INTO image_probes AS p (job_id, url_hash, lease_token, lease_expires_at)
        SELECT :job_id, hash, :token, now() + make_interval(secs => :lease_seconds)
        FROM unnest(CAST(:hashes AS uuid[])) AS hash ORDER BY hash
        ON CONFLICT (job_id, url_hash) DO UPDATE SET reachable = NULL, reason = NULL,
            lease_token = excluded.lease_token, lease_expires_at = excluded.lease_expires_at
        WHERE (p.reachable IS NULL AND p.lease_expires_at < now())
           OR (:again AND p.reachable IS NOT NULL AND p.reason IS DISTINCT FROM :from_openai)
        RETURNING url_hash
        """,
        job_id=job_id,
        hashes=sorted(by_hash),
        token=token,
        lease_seconds=lease_seconds,
        again=again,
        from_openai=OPENAI_DOWNLOAD_FAILED,
    )
    return [by_hash[row.url_hash] for row in ours]


def renew(connection: Connection, token: UUID, lease_seconds: float) -> None:
    run(
        connection,
        """
        UPDATE image_probes SET lease_expires_at = now() + make_interval(secs => :seconds)
        WHERE lease_token = :token AND reachable IS NULL
        """,
        token=token,
        seconds=lease_seconds,
    )


def record(
    connection: Connection, job_id: UUID, token: UUID, results: Mapping[str, str | None]
) -> None:
    """Record URL -> reason it is unreachable, None where it is reachable.

    What was claimed under this token and is not among them is free again.
    """
    run(
        connection,
        """
        UPDATE image_probes p SET reachable = found.reason IS NULL, reason = found.reason,
               lease_token = NULL, lease_expires_at = NULL
        FROM unnest(CAST(:hashes AS uuid[]), CAST(:reasons AS text[])) AS found (hash, reason)
        WHERE p.job_id = :job_id AND p.url_hash = found.hash AND p.lease_token = :token
        """,
        job_id=job_id,
        token=token,
        hashes=[url_hash(url) for url in results],
        reasons=list(results.values()),
    )
    run(
        connection,
        """
        UPDATE image_probes SET lease_token = NULL, lease_expires_at = '-infinity'
        WHERE job_id = :job_id AND lease_token = :token
        """,
        job_id=job_id,
        token=token,
    )


def known(connection: Connection, job_id: UUID, urls: Collection[str]) -> dict[str, bool]:
    """Return URL -> reachable for those of the URLs that are settled."""
    by_hash = {url_hash(url): url for url in urls}
    found = rows(
        connection,
        """
        SELECT url_hash, reachable FROM image_probes
        WHERE job_id = :job_id AND url_hash = ANY(CAST(:hashes AS uuid[]))
          AND reachable IS NOT NULL
        """,
        job_id=job_id,
        hashes=list(by_hash),
    )
    return {by_hash[row.url_hash]: row.reachable for row in found}


def refute(connection: Connection, job_id: UUID, url: str) -> None:
    """OpenAI named this URL as one it cannot download: it stays unreachable for the job."""
    run(
        connection,
        """
        UPDATE image_probes SET reachable = false, reason = :reason
        WHERE job_id = :job_id AND url_hash = :hash
        """,
        job_id=job_id,
        hash=url_hash(url),
        reason=OPENAI_DOWNLOAD_FAILED,
    )
