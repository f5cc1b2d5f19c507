"""The shapes of the requests OpenAI takes (API reference, openapi.yaml)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from openai_simulator.errors import invalid
from openai_simulator.schema import (
    Check,
    anything,
    array,
    boolean,
    either,
    metadata,
    nullable,
    number,
    record,
    string,
    tagged,
)

MAX_URL_CHARS: Final = 20_971_520  # OpenAI's limit on the string; it holds data: URLs too
_DATA_URL: Final = re.compile(r"data:image/[a-z+.-]+;base64,", re.IGNORECASE)


def image_url(value: object, path: str) -> None:
    string(longest=MAX_URL_CHARS)(value, path)
    if not _is_image_url(str(value)):
        words = f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format."
        raise invalid(words, code="invalid_image_url", param=path)


def _is_image_url(url: str) -> bool:
    if _DATA_URL.match(url):
        return url.isascii()
    try:
        parts = urlsplit(url)
        return url.isprintable() and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


_detail = string(choices=("auto", "low", "high", "original"))
_breakpoint = record({"mode": string(choices=("explicit",))}, required=("mode",))
_effort = string(choices=("none", "minimal", "low", "medium", "high", "xhigh", "max"))
_verbosity = string(choices=("low", "medium", "high"))
_tier = string(choices=("auto", "default", "flex", "scale", "priority", "fast"))
_positive = number(1, whole=True)
_only_text: Final[Check] = tagged(
    "type", {"text": record({"type": anything}, required=("type",))}
)  # other formats are not simulated


def _part(field: str, check: Check) -> Check:
    fields = {"type": anything, field: check, "prompt_cache_breakpoint": _breakpoint}
    return record(fields, required=("type", field))


_text_part = _part("text", string())
_picture = record({"url": image_url, "detail": _detail}, required=("url",))
_chat_parts: Mapping[str, Check] = {"text": _text_part, "image_url": _part("image_url", _picture)}
_reply_parts: Mapping[str, Check] = {"text": _text_part, "refusal": _part("refusal", string())}


def _message(parts: Mapping[str, Check], **more: Check) -> Check:
    content = either({str: anything, list: array(tagged("type", parts), shortest=1)})
    fields = {"role": anything, "content": content, "name": string()} | more
    return record(fields, required=("role", "content"))


_instructions = _message({"text": _text_part})
_chat_message = tagged(
    "role",
    {
        "system": _instructions,
        "developer": _instructions,
        "user": _message(_chat_parts),
        "assistant": _message(_reply_parts, refusal=nullable(string())),
    },
)
_shared: Mapping[str, Check] = {
    "model": string(shortest=1),
    "metadata": nullable(metadata),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "top_logprobs": nullable(number(0, 20, whole=True)),
    "user": string(),
    "safety_identifier": nullable(string(longest=64)),
    "prompt_cache_key": nullable(string()),
    "prompt_cache_retention": nullable(string(choices=("in_memory", "24h"))),
    "service_tier": nullable(_tier),
    "parallel_tool_calls": boolean,
    "store": nullable(boolean),
    "stream": nullable(boolean),
}
CHAT: Final[Check] = record(
    {
        **_shared,
        "messages": array(_chat_message, shortest=1),
        "verbosity": nullable(_verbosity),
        "reasoning_effort": nullable(_effort),
        "max_completion_tokens": nullable(_positive),
        "max_tokens": nullable(_positive),
        "frequency_penalty": nullable(number(-2, 2)),
        "presence_penalty": nullable(number(-2, 2)),
        "response_format": _only_text,
        "stop": nullable(either({str: anything, list: array(string(), shortest=1, longest=4)})),
        "logit_bias": nullable(either({dict: anything})),
        "logprobs": nullable(boolean),
        "n": nullable(number(1, 128, whole=True)),
        "seed": nullable(number(whole=True)),
    },
    required=("model", "messages"),
)

_input_image = record(
    {"type": anything, "image_url": image_url, "detail": _detail},
    required=("type", "image_url", "detail"),
)
_input_parts = {"input_text": _text_part, "input_image": _input_image}
_input_message = record(
    {
        "type": string(choices=("message",)),
        "role": string(choices=("user", "assistant", "system", "developer")),
        "content": either({str: anything, list: array(tagged("type", _input_parts))}),
    },
    required=("role", "content"),
)
RESPONSES: Final[Check] = record(
    {
        **_shared,
        "input": either({str: anything, list: array(_input_message, shortest=1)}),
        "instructions": nullable(string()),
        "reasoning": nullable(record({"effort": nullable(_effort)})),
        "max_output_tokens": nullable(number(16, whole=True)),
        "text": record({"verbosity": nullable(_verbosity), "format": _only_text}),
        "truncation": nullable(string(choices=("auto", "disabled"))),
    },
    required=("model", "input"),
)
SHAPES: Final[Mapping[str, Check]] = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES}
EXPIRY: Final[Check] = record(
    {
        "anchor": string(choices=("created_at",)),
        "seconds": number(3_600, 2_592_000, whole=True),
    },
    required=("anchor", "seconds"),
)
BATCH: Final[Check] = record(
    {
        "input_file_id": string(shortest=1),
        "endpoint": string(choices=tuple(SHAPES)),
        "completion_window": string(choices=("24h",)),
        "metadata": nullable(metadata),
        "output_expires_after": EXPIRY,
    },
    required=("input_file_id", "endpoint", "completion_window"),
)
