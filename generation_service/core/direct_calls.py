"""What the reply to a direct call means for the request of a job."""

from dataclasses import replace
from typing import Final

from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.replies import Reply

OUTCOME_UNKNOWN: Final = "openai_outcome_unknown"
DENIED_PATIENCE_SECONDS: Final = 900.0
"""A wrong key or an empty account can be mended for this long before requests fail."""
_PAUSE_SECONDS: Final = 30.0


def for_job(reply: Reply, *, job_id: str, trouble_seconds: float) -> Reply:
    """The reply as the request of a job takes it, after so many seconds of general trouble.

    A call that was sent and not answered must not be repeated by itself: it may have been billed.
    General trouble costs no attempt; where only an operator can end it, it fails requests in time.
    """
    if not isinstance(reply, Failure):
        return reply
    if reply.code in {OUTCOME_UNKNOWN, "openai_timeout"} and reply.retry is Retry.NEVER:
        return unknown(reply.message, job_id)
    denied = reply.retry is Retry.NEVER and trouble_seconds >= DENIED_PATIENCE_SECONDS
    if reply.general and not denied:
        return replace(reply, retry=Retry.FREE, retry_after=reply.retry_after or _PAUSE_SECONDS)
    return reply


def unknown(reason: str, job_id: str) -> Failure:
    """The failure of a request that may have been paid for, and how to ask again all the same."""
    message = (
        f"{reason.rstrip('.')}. It may have been billed, so it is not repeated by itself; "
        f"POST /api/v1/batch-jobs/{job_id}/retry asks again."
    )
    return Failure(code=OUTCOME_UNKNOWN, message=message, retry=Retry.NEVER)
