"""Misbehaviour of the model: an answer that came, and was paid, but is not what was asked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from openai_simulator.actions import WORK, Action
from openai_simulator.answers import Answer

Change = Callable[[Answer, Mapping[str, Any]], Answer]

_SCRIPT: Final = (
    '<script>alert("simulated")</script><p onclick="alert(1)">Scratch</p>'
    '<img src="x" onerror="alert(2)"><a href="javascript:alert(3)">more</a>'
)


def refuse(answer: Answer, given: Mapping[str, Any]) -> Answer:
    return replace(answer, text="", refusal=given["text"])


def length(answer: Answer, given: Mapping[str, Any]) -> Answer:
    kept = int(len(answer.text) * given["fraction"])
    return replace(answer, text=answer.text[:kept], finish_reason="length")


def content_filter(answer: Answer, _given: Mapping[str, Any]) -> Answer:
    return replace(answer, text="", finish_reason="content_filter")


def empty_text(answer: Answer, _given: Mapping[str, Any]) -> Answer:
    return replace(answer, text="")


def text(answer: Answer, given: Mapping[str, Any]) -> Answer:
    return replace(answer, text=given["text"])


def script_html(answer: Answer, _given: Mapping[str, Any]) -> Answer:
    return replace(answer, text=_SCRIPT + answer.text)


def reasoning_first(answer: Answer, _given: Mapping[str, Any]) -> Answer:
    return replace(answer, reasoning_first=True)


ANSWERS: Final[Mapping[str, Action[Change]]] = {
    "refuse": Action(WORK, refuse, {"text": "I'm sorry, but I can't assist with that."}),
    "length": Action(WORK, length, {"fraction": 0.5}),
    "content_filter": Action(WORK, content_filter),
    "empty_text": Action(WORK, empty_text),
    "text": Action(WORK, text, {"text": "<p>Simulated.</p>"}),
    "script_html": Action(WORK, script_html),
    "reasoning_first": Action(WORK, reasoning_first),
}
