"""Every way OpenAI is known to fail, as the rule that makes the simulator fail so.

One row is one fault. What must come of it stands beside it, so that the list can be read as what
the service promises; test_every_openai_fault.py holds it to that. A `code` is the reason that a
client finds in the results, None where the fault is mended and nobody hears of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Rule = Mapping[str, Any]

RATE_LIMITS = ("rate_limit_exceeded", "slow_down")
"""429 of these kinds pass; the others need somebody to pay, or the request to be another."""
USED_UP = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)
TOO_LARGE = "Request too large for gpt-6.1-terra in organization org-x on tokens per min (TPM)."


def error(status: int, code: str | None = None, **more: object) -> Rule:
    return {"do": "status", "status": status, "code": code, **more}


@dataclass(frozen=True, kw_only=True)
class LineFault:
    """Strikes one line of a batch, once or `ever` again.

    `tries`: attempts at it; `bills`: how often OpenAI bills it (an error is not billed, a useless
    answer is).
    """

    rule: Rule
    ever: bool = False
    code: str | None = None
    tries: int = 1
    bills: int = 1


_MENDED: Mapping[str, LineFault] = {
    **{f"429 {kind}": LineFault(rule=error(429, kind), tries=2) for kind in RATE_LIMITS},
    "500": LineFault(rule=error(500), tries=2),
    "503": LineFault(rule=error(503), tries=2),
    "a line in neither file": LineFault(rule={"do": "missing"}, tries=2, bills=2),
    "a line that is doubled": LineFault(rule={"do": "duplicate"}),
    "a custom_id that is not ours": LineFault(rule={"do": "unknown_custom_id"}, tries=2, bills=2),
    "a malformed line": LineFault(rule={"do": "malformed"}, tries=2, bills=2),
    "a truncated line at the end": LineFault(rule={"do": "truncated"}, tries=2, bills=2),
    "a body that is text": LineFault(rule={"do": "body_as_string"}),
    "length": LineFault(rule={"do": "length"}, tries=2, bills=2),
    "empty text": LineFault(rule={"do": "empty_text"}, tries=2, bills=2),
    "nothing but script": LineFault(
        rule={"do": "text", "text": "<script>1</script>"}, tries=2, bills=2
    ),
    "the reasoning item first": LineFault(rule={"do": "reasoning_first"}),
    "an image-download error that names the URL": LineFault(
        rule={"do": "image_error", "url": "/4.jpg"}, tries=2
    ),
    "a timeout of an image download": LineFault(
        rule={
            "do": "image_error",
            "words": "timeout",
            "url": "/4.jpg",
            "code": "invalid_value",
        },
        tries=2,
    ),
    "an image-download error that names nothing": LineFault(
        rule={"do": "image_error", "words": "unnamed"}, tries=2
    ),
}


def _hopeless(rule: Rule, code: str, *, tries: int = 1, bills: int = 0) -> LineFault:
    return LineFault(rule=rule, ever=True, code=code, tries=tries, bills=bills)


_HOPELESS: Mapping[str, LineFault] = {
    **{f"429 {kind}": _hopeless(error(429, kind), "openai_quota_exhausted") for kind in USED_UP},
    "429 for a request that is too large": _hopeless(
        error(429, "rate_limit_exceeded", message=TOO_LARGE), "openai_error"
    ),
    **{
        f"429 {kind} for ever": _hopeless(error(429, kind), "openai_rate_limited", tries=3)
        for kind in RATE_LIMITS
    },
    "400": _hopeless(error(400, message="No."), "openai_error"),
    "404 of a model": _hopeless(error(404, "model_not_found"), "model_not_found"),
    "500 for ever": _hopeless(error(500), "openai_error", tries=3),
    "503 for ever": _hopeless(error(503), "openai_error", tries=3),
    "a line in neither file, for ever": _hopeless(
        {"do": "missing"}, "openai_missing_line", tries=3, bills=3
    ),
    "a malformed line for ever": _hopeless(
        {"do": "malformed"}, "openai_missing_line", tries=3, bills=3
    ),
    "a refusal": _hopeless({"do": "refuse"}, "openai_refused", bills=1),
    "content_filter": _hopeless({"do": "content_filter"}, "openai_refused", bills=1),
    "length for ever": _hopeless({"do": "length"}, "openai_truncated", tries=2, bills=2),
    "empty text for ever": _hopeless({"do": "empty_text"}, "openai_empty_answer", tries=3, bills=3),
    "image-download errors for ever": _hopeless(
        {"do": "image_error", "words": "unnamed"}, "image_download_failed", tries=2
    ),
}

LINES: Mapping[str, LineFault] = {**_MENDED, **_HOPELESS}


CALLS = ("upload", "create", "retrieve", "list", "content", "cancel", "delete")
PASSING: Mapping[str, Rule] = {
    "hangs": {"do": "hang", "seconds": 3.0},
    "hangs after the work was done": {"do": "hang_after", "seconds": 3.0},
    "is reset before": {"do": "reset_before"},
    "is reset after the work was done": {"do": "reset_after"},
    **{f"is answered 429 {kind}": error(429, kind) for kind in RATE_LIMITS},
    "is answered 500": error(500),
    "is answered 503": error(503),
}
"""What may befall any call that is part of a batch, and must cost nothing but time."""


@dataclass(frozen=True, kw_only=True)
class DirectFault:
    """Strikes the direct call for one lot; `calls` is how often OpenAI is asked in all."""

    rule: Rule
    ever: bool = False
    code: str | None = None
    calls: int = 1
    bills: int = 1


_DIRECT_ERROR = "openai_error"
DIRECT: Mapping[str, DirectFault] = {
    **{f"429 {kind}": DirectFault(rule=error(429, kind), calls=2) for kind in RATE_LIMITS},
    "429 for ever": DirectFault(
        rule=error(429, RATE_LIMITS[0]), ever=True, code="openai_rate_limited", calls=6, bills=0
    ),
    **{
        f"429 {kind}": DirectFault(rule=error(429, kind), ever=True, code=_DIRECT_ERROR, bills=0)
        for kind in USED_UP
    },
    "429 for a request that is too large": DirectFault(
        rule=error(429, RATE_LIMITS[0], message=TOO_LARGE), code=_DIRECT_ERROR, bills=0
    ),
    "400": DirectFault(rule=error(400, message="No."), code=_DIRECT_ERROR, bills=0),
    "404 of a model": DirectFault(rule=error(404), code=_DIRECT_ERROR, bills=0),
    "500": DirectFault(rule=error(500), calls=2),
    "503": DirectFault(rule=error(503), calls=2),
    "500 for ever": DirectFault(rule=error(500), ever=True, code=_DIRECT_ERROR, calls=6, bills=0),
    "it hangs": DirectFault(rule={"do": "hang", "seconds": 2.0}, code="openai_timeout", bills=0),
    "it hangs after the work was done": DirectFault(
        rule={"do": "hang_after", "seconds": 2.0}, code="openai_timeout"
    ),
    "it is reset before": DirectFault(
        rule={"do": "reset_before"}, code="openai_outcome_unknown", bills=0
    ),
    "it is reset after the work was done": DirectFault(
        rule={"do": "reset_after"}, code="openai_outcome_unknown"
    ),
    "a refusal": DirectFault(rule={"do": "refuse"}, code="openai_refused"),
    "content_filter": DirectFault(rule={"do": "content_filter"}, code="openai_refused"),
    "length": DirectFault(rule={"do": "length"}, calls=2, bills=2),
    "length for ever": DirectFault(
        rule={"do": "length"}, ever=True, code=_DIRECT_ERROR, calls=2, bills=2
    ),
    "empty text": DirectFault(rule={"do": "empty_text"}, code=_DIRECT_ERROR),
    "the reasoning item first": DirectFault(rule={"do": "reasoning_first"}),
    "an image-download error": DirectFault(rule={"do": "image_error", "words": "unnamed"}, calls=2),
}
