"""Answers in the shapes of the two endpoints (API reference: chat completion, response)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from openai_simulator.answers import Answer

FINGERPRINT: Final = "simulator"
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}

Body = Mapping[str, Any]
Document = dict[str, object]


def chat_completion(answer: Answer, body: Body, ident: str, created: int) -> Document:
    message: Document = {
        "role": "assistant",
        "content": None if answer.refusal else answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    return {
        "id": f"chatcmpl-{ident}",
        "object": "chat.completion",
        "created": created,
        "model": body["model"],
        "choices": [choice],
        "usage": _chat_usage(answer),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _chat_usage(answer: Answer) -> Document:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "audio_tokens": 0,
            "text_tokens": answer.text_tokens,
            "image_tokens": answer.image_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def response(answer: Answer, body: Body, ident: str, created: int) -> Document:
    reason = _INCOMPLETE.get(answer.finish_reason)
    status = "incomplete" if reason else "completed"
    return {
        "id": f"resp_{ident}",
        "object": "response",
        "created_at": created,
        "completed_at": None if reason else created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _output(answer, ident, status),
        "usage": usage(answer.input_tokens, answer.output_tokens, answer.reasoning_tokens),
        "system_fingerprint": FINGERPRINT,
        **_echo(body),
    }


def _echo(body: Body) -> Document:
    """What a response repeats of its request, and the constants beside it."""
    return {
        "model": body["model"],
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
    }


def _output(answer: Answer, ident: str, status: str) -> list[Document]:
    said: Document = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    if answer.refusal:
        said = {"type": "refusal", "refusal": answer.refusal}
    message: Document = {
        "type": "message",
        "id": f"msg_{ident}",
        "role": "assistant",
        "status": status,
        "content": [said],
    }
    reasoning: Document = {"type": "reasoning", "id": f"rs_{ident}", "summary": []}
    return [reasoning, message] if answer.reasoning_first else [message]


def usage(input_tokens: int, output_tokens: int, reasoning_tokens: int) -> Document:
    """Usage as responses and batches state it."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }


DOCUMENTS: Final[Mapping[str, Callable[[Answer, Body, str, int], Document]]] = {
    "/v1/chat/completions": chat_completion,
    "/v1/responses": response,
}
