"""What came back for one request: a text, or a failure that says what may help.

Reads the body of a direct answer and the lines of OpenAI batches' output and error files. Nothing
here raises, whatever a server sends: one bad line never spoils another (docs/api.md §5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generation_service.core.html import clean, plain
from generation_service.core.openai_errors import Failure, Retry, decoded, read_error
from generation_service.core.text import storable

__all__ = ["Completion", "Failure", "Line", "Reply", "Retry"]
__all__ += ["read_completion", "read_error", "read_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A model's text, cleaned as it is read, while no job is locked; "" when nothing was left.

    `simulated` if the stand-in for OpenAI wrote it.
    """

    text: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    simulated: bool


Reply = Completion | Failure


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an output or error file; lines come in any order, so the id is all."""

    custom_id: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Usage:
    prompt: int
    cached: int
    completion: int
    simulated: bool


_MAX_CUSTOM_ID: Final = 512
_MAX_MODEL: Final = 200
_MAX_TOKENS: Final = 2**31 - 1  # an integer column's; no answer comes near it
_SIMULATOR_FINGERPRINT: Final = "simulator"


def read_completion(body: object) -> Reply:
    """The reply in the body of a 2xx answer, an object or text that holds one."""
    answer = decoded(body)
    if not isinstance(answer, dict):
        return _malformed("The answer is not a JSON object.")
    choice = _first(answer.get("choices"))
    if choice is None:
        error = answer.get("error")
        return read_error(None, answer) if error else _malformed("The answer has no choices.")
    text, refusal = _content(_object(choice.get("message")))
    simulated = answer.get("system_fingerprint") == _SIMULATOR_FINGERPRINT
    usage = _usage(_object(answer.get("usage")), simulated=simulated)
    failure = _failure(text, refusal, choice.get("finish_reason"), usage)
    return failure or Completion(
        text=clean(text),
        model=storable(str(answer.get("model") or ""), _MAX_MODEL),
        prompt_tokens=usage.prompt,
        cached_tokens=usage.cached,
        completion_tokens=usage.completion,
        simulated=simulated,
    )


def read_line(line: bytes) -> Line | None:
    """The line's id and reply, or None when it names no id that could be ours."""
    record = decoded(line.decode("utf-8-sig", errors="replace"))
    custom_id = _object(record).get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        return None
    if storable(custom_id, _MAX_CUSTOM_ID) != custom_id:
        return None
    return Line(custom_id, _line_reply(_object(record)))


def _line_reply(record: Mapping[str, object]) -> Reply:
    response, error = decoded(record.get("response")), record.get("error")
    if not isinstance(response, dict):
        return read_error(None, record) if error else _malformed("The line has no response.")
    status = _status(response.get("status_code"))
    body = decoded(response.get("body")) or response
    if status is not None and not 200 <= status < 300:  # noqa: PLR2004
        return read_error(status, record if body is response else body)
    if error and _first(_object(body).get("choices")) is None:
        return read_error(None, record)
    return read_completion(body)


def _failure(text: str, refusal: str, finish: object, usage: _Usage) -> Failure | None:
    """Why a well-formed answer is none, if so."""
    if refusal or finish == "content_filter":
        reason = plain(storable(refusal, 500)) or "The content filter cut the answer off."
        return _billed("openai_refused", reason, Retry.NEVER, usage)
    if finish == "length":
        reason = "The answer was cut off at the token limit."
        return _billed("openai_truncated", reason, Retry.LARGER, usage)
    if not text.strip():
        return _billed("openai_empty_answer", "The answer is empty.", Retry.AGAIN, usage)
    return None


def _billed(code: str, message: str, retry: Retry, usage: _Usage) -> Failure:
    return Failure(
        code=code,
        message=message,
        retry=retry,
        prompt_tokens=usage.prompt,
        cached_tokens=usage.cached,
        completion_tokens=usage.completion,
        simulated=usage.simulated,
    )


def _malformed(message: str) -> Failure:
    return Failure(code="openai_malformed_line", message=message, retry=Retry.AGAIN)


def _content(message: Mapping[str, object]) -> tuple[str, str]:
    """A message's text and refusal; its content may be a list of typed parts."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return _joined(parts, "text"), _joined([*parts, message], "refusal")


def _joined(parts: list[object], field: str) -> str:
    values = (_object(part).get(field) for part in parts)
    return "".join(value for value in values if isinstance(value, str))


def _usage(usage: Mapping[str, object], *, simulated: bool) -> _Usage:
    return _Usage(
        prompt=_count(usage.get("prompt_tokens")),
        cached=_count(_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        completion=_count(usage.get("completion_tokens")),
        simulated=simulated,
    )


def _count(value: object) -> int:
    return min(max(value, 0), _MAX_TOKENS) if isinstance(value, int) else 0


def _status(value: object) -> int | None:
    """An HTTP status sent as a number or as text."""
    if isinstance(value, str) and value.isascii() and value[:3].isdigit():
        return int(value[:3])
    return value if isinstance(value, int) else None


def _first(choices: object) -> Mapping[str, object] | None:
    return (_object(choices[0]) or None) if isinstance(choices, list) and choices else None


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
