"""Every error code a client can meet, with its HTTP status and meaning, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorKind:
    http_status: int
    meaning: str


ERRORS: Final[Mapping[str, ErrorKind]] = {
    "invalid_json": ErrorKind(400, "The body is not well-formed JSON by the service's rules."),
    "invalid_request": ErrorKind(400, "A field is missing, of the wrong type or out of range."),
    "unknown_language": ErrorKind(400, "A language tag is not in the BCP-47 registry."),
    "too_many_unreachable_images": ErrorKind(400, "Too few of the lot's photos can be fetched."),
    "cost_limit_exceeded": ErrorKind(
        400, "The order is estimated to cost more than it, or the service, allows."
    ),
    "job_not_cancellable": ErrorKind(400, "The job has already ended."),
    "job_not_retryable": ErrorKind(
        400, "Nothing of the job failed, or it has not ended yet, or it was cancelled."
    ),
    "invalid_event_signature": ErrorKind(
        400, "The signature of an event from OpenAI is missing, wrong or too old."
    ),
    "invalid_signature": ErrorKind(401, "The signature is missing, wrong or too old."),
    "invalid_metrics_token": ErrorKind(401, "The token of the metrics is missing or wrong."),
    "invalid_body_signature": ErrorKind(
        403, "The signature of a body that orders work is missing, wrong or too old."
    ),
    "wrong_password": ErrorKind(403, "The password of the admin pages is wrong."),
    "metrics_not_open": ErrorKind(
        403, "The metrics are open to this machine only, or to whoever has METRICS_TOKEN."
    ),
    "not_found": ErrorKind(404, "There is nothing at this path, or the job is not yours."),
    "method_not_allowed": ErrorKind(405, "The path exists, but not for this method."),
    "request_timeout": ErrorKind(408, "The body arrived too slowly."),
    "job_not_ended": ErrorKind(409, "The job is still under way, so it cannot be deleted."),
    "in_progress": ErrorKind(409, "The same request is being answered; ask again for its answer."),
    "idempotency_key_reused": ErrorKind(409, "The Idempotency-Key came with another request."),
    "signature_reused": ErrorKind(409, "The signature came with another Idempotency-Key."),
    "request_too_large": ErrorKind(413, "The body is larger than the service accepts."),
    "unsupported_media_type": ErrorKind(415, "The body's encoding is not gzip or identity."),
    "rate_limited": ErrorKind(429, "A limit of requests is reached; Retry-After tells its end."),
    "openai_error": ErrorKind(500, "OpenAI answered with an error."),
    "openai_timeout": ErrorKind(500, "OpenAI did not answer in time."),
    "openai_refused": ErrorKind(500, "The model refused to describe the photos."),
    "openai_outcome_unknown": ErrorKind(
        500, "The request reached OpenAI and no answer came; it may have been billed."
    ),
    "internal_error": ErrorKind(500, "A fault of the service; the request id finds it in the log."),
    "openai_rate_limited": ErrorKind(503, "OpenAI's rate limit is used up; try again later."),
    "busy": ErrorKind(503, "Too much of this is under way just now; send it again a little later."),
    "database_unavailable": ErrorKind(503, "The database did not answer in time."),
}


class ServiceError(Exception):
    """An error the client is told about: `code` is a key of ERRORS.

    `details` holds (path, message) pairs, and `more` says how many others there are; `extra` holds
    further fields of the JSON answer; `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Sequence[tuple[str, str]] = (),
        more: int = 0,
        extra: Mapping[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.more = more
        self.extra = extra or {}
        self.retry_after = retry_after

    @property
    def http_status(self) -> int:
        return ERRORS[self.code].http_status
