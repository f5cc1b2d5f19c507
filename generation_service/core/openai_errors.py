"""What an error of OpenAI means: which of ours it is, and whether trying again can help.

Servers that speak OpenAI's language disagree most about errors, so a body of any shape is first
reduced to a status, codes and a message, and then the first rule of one table that fits decides.
"""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from generation_service.core.limits import MAX_URL_CHARS
from generation_service.core.text import storable


class Retry(StrEnum):
    """What may help against a failure.

    AGAIN costs one of the attempts; LARGER is once, with a larger cap on the answer; REPROBE is
    once, without the photos that cannot be fetched any more; FREE costs no attempt.
    """

    NEVER = "never"
    AGAIN = "again"
    LARGER = "larger"
    REPROBE = "reprobe"
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no text. Tokens are counted where the answer was billed all the same.

    `retry_after` is in seconds; `image_url` is the photo that could not be fetched, if named.
    `general` trouble would have met any other request too: a wrong key, an empty account, too many
    requests, a server that is down. `simulated`: the stand-in for OpenAI gave the useless answer.
    """

    code: str
    message: str
    retry: Retry
    retry_after: float | None = None
    image_url: str | None = None
    general: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    status: int | None
    codes: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Fits a fault of these statuses (None: of any) by its code or by its message.

    A rule with neither pattern fits by the status alone.
    """

    code: str
    retry: Retry
    statuses: Container[int | None] | None = None
    codes: str | None = None
    message: str | None = None

    def fits(self, fault: _Fault) -> bool:
        if self.statuses is not None and fault.status not in self.statuses:
            return False
        if self.codes is None and self.message is None:
            return True
        return any(map(_pattern(self.codes).fullmatch, fault.codes)) or bool(
            _pattern(self.message).search(fault.message)
        )


@cache
def _pattern(pattern: str | None) -> re.Pattern[str]:
    """The compiled pattern; of None, one that never matches."""
    return re.compile(r"(?!)" if pattern is None else pattern, re.IGNORECASE | re.DOTALL)


_CLIENT_ERRORS: Final = frozenset({None, *range(400, 429), *range(430, 500)})
_GENERAL_STATUSES: Final = frozenset({401, 403, 502, 503})
_GENERAL_CODES: Final = frozenset({"openai_quota_exhausted", "openai_rate_limited"})
_PASSING: Final = frozenset({None, 408, 409, 425, *range(500, 600)})

# Codes and wordings as in OpenAI's error guide and as met in practice; the order matters.
_RULES: Final = (
    _Rule(
        code="image_download_failed",
        retry=Retry.REPROBE,
        statuses=_CLIENT_ERRORS,
        codes=r"\w*image\w*",
        message=r"(?:error|time[d ]*out|fail|unable|could ?n[o']t|can ?n?[o']t).{0,40}"
        r"\b(?:download|fetch)"
        r"|\b(?:download|fetch).{0,2100}(?:error|time[d ]*out|fail)"
        r"|upstream status code|invalid image",
    ),
    _Rule(
        code="openai_quota_exhausted",
        retry=Retry.NEVER,
        codes=r"insufficient_quota|credit_balance_exhausted|billing_\w+"
        r"|\w*spend_limit_exceeded|organization_usage_limit_exceeded",
        message=r"exceeded your current quota",
    ),
    _Rule(
        code="model_not_found",
        retry=Retry.NEVER,
        statuses=_CLIENT_ERRORS,
        codes=r"model_not_found",
        message=r"\bmodel\b.{0,200}(?:does not exist|not found|deprecated|shut ?down)",
    ),
    _Rule(
        code="openai_refused",
        retry=Retry.NEVER,
        statuses=_CLIENT_ERRORS,
        codes=r"content_policy_violation|content_filter\w*|moderation_blocked|ResponsibleAI\w+",
    ),
    _Rule(code="openai_expired", retry=Retry.AGAIN, codes=r"batch_expired"),
    _Rule(code="openai_cancelled", retry=Retry.AGAIN, codes=r"batch_cancell?ed"),
    # A request that is too large for the limit by itself is reported as a rate limit.
    _Rule(code="openai_error", retry=Retry.NEVER, statuses={429}, message=r"request too large"),
    _Rule(code="openai_rate_limited", retry=Retry.AGAIN, codes=r"rate_limit_exceeded|slow_down"),
    _Rule(code="openai_rate_limited", retry=Retry.AGAIN, statuses={429}),
    _Rule(code="openai_error", retry=Retry.AGAIN, statuses=_PASSING),
    _Rule(code="openai_error", retry=Retry.NEVER),
)

_MAX_READ: Final = 4_096
_MAX_MESSAGE: Final = 500
_MAX_CODE: Final = 100
_SECRET: Final = re.compile(r"\b(?:sk|org|proj)-[\w*.…-]+|(?<=Bearer )\S+")
_URL: Final = re.compile(r"https?://[^\s\"'<>]+")
_TAG_OR_SPACE: Final = re.compile(r"(?:<[^>]*>|\s)+")
_WAIT: Final = re.compile(
    r"try again in (?:(?P<h>\d{1,3})h)?(?:(?P<m>\d{1,3})m(?!s))?"
    r"(?:(?P<s>\d{1,6}(?:\.\d{1,6})?)s)?(?:(?P<ms>\d{1,9})ms)?"
)
_UNIT_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def read_error(status: int | None, body: object) -> Failure:
    """The failure that an error answer stands for; `status` is None for lines without one."""
    fault = _fault(status, body)
    rule = next(rule for rule in _RULES if rule.fits(fault))
    named = _URL.search(fault.message) if rule.retry is Retry.REPROBE else None
    return Failure(
        code=rule.code,
        message=_readable(fault),
        retry=rule.retry,
        retry_after=_wait(fault.message),
        image_url=named and storable(named[0].rstrip(".,;:!)]}"), MAX_URL_CHARS),
        general=status in _GENERAL_STATUSES or rule.code in _GENERAL_CODES,
    )


def error_code(body: object) -> str:
    """OpenAI's own code in an error body (`token_limit_exceeded`), or its type, or ""."""
    return storable(next(iter(_fault(None, body).codes), ""))


def decoded(body: object) -> object:
    """The body; if it is text that holds JSON, as some servers send it, the JSON's value."""
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _fault(status: int | None, body: object) -> _Fault:
    details = _details(decoded(body))
    codes = (details.get("code"), details.get("type"))
    message = details.get("message") or details.get("detail") or ""
    return _Fault(
        status=status,
        codes=tuple(str(code)[:_MAX_CODE] for code in codes if code),
        message=str(message)[:_MAX_READ],
    )


def _details(body: object) -> Mapping[str, object]:
    """The error's fields in OpenAI's shape, a bare one, FastAPI's `detail`, or plain text."""
    if not isinstance(body, dict):
        return {"message": body}
    error = decoded(body.get("error"))
    if isinstance(error, dict):
        return error
    return {"message": error} if error else body


def _readable(fault: _Fault) -> str:
    """The message for logs and clients: without markup, keys or an endless tail."""
    text = _TAG_OR_SPACE.sub(" ", _SECRET.sub("…", fault.message)).strip()
    if not text:
        kind = fault.codes[0] if fault.codes else "no explanation"
        text = f"OpenAI answered HTTP {fault.status} ({kind})."
    return storable(text, _MAX_MESSAGE)


def _wait(message: str) -> float | None:
    """Seconds that the message asks for: "Please try again in 1m2.5s"."""
    found = _WAIT.search(message)
    if found is None or not any(found.groups()):
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for unit, number in found.groupdict("0").items())
