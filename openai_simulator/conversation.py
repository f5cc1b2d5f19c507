"""What a request asks, whichever endpoint it came to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Photo:
    url: str
    detail: str
    param: str


@dataclass(frozen=True)
class Conversation:
    """`texts` are (role, text) in order; `cap` is the most tokens the answer may have."""

    texts: tuple[tuple[str, str], ...]
    photos: tuple[Photo, ...]
    cap: int | None
    effort: str | None

    @cached_property
    def last_user_text(self) -> str:
        return next((text for role, text in reversed(self.texts) if role == "user"), "")

    @cached_property
    def all_text(self) -> str:
        return "\n".join(text for _, text in self.texts)


def from_body(endpoint: str, body: Mapping[str, Any]) -> Conversation:
    """`body` has passed the check of its shape."""
    if endpoint == "/v1/responses":
        return _from_response(body)
    messages = body["messages"]
    return Conversation(
        texts=tuple(_texts(messages)),
        photos=tuple(_photos("messages", messages)),
        cap=body.get("max_completion_tokens") or body.get("max_tokens"),
        effort=body.get("reasoning_effort"),
    )


def _from_response(body: Mapping[str, Any]) -> Conversation:
    given = body["input"]
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if body.get("instructions"):
        messages = [{"role": "system", "content": body["instructions"]}, *messages]
    return Conversation(
        texts=tuple(_texts(messages)),
        photos=tuple(_photos("input", messages)),
        cap=body.get("max_output_tokens"),
        effort=(body.get("reasoning") or {}).get("effort"),
    )


def _texts(messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield message["role"], content
        else:
            joined = "\n".join(part["text"] for part in content if "text" in part)
            yield message["role"], joined


def _photos(start: str, messages: list[dict[str, Any]]) -> Iterator[Photo]:
    for index, message in enumerate(messages):
        parts = [] if isinstance(message["content"], str) else message["content"]
        for position, part in enumerate(parts):
            if "image_url" in part:
                yield _photo(part, f"{start}[{index}].content[{position}].image_url")


def _photo(part: dict[str, Any], param: str) -> Photo:
    image = part["image_url"]
    if isinstance(image, str):
        return Photo(image, part["detail"], param)
    return Photo(image["url"], image.get("detail", "auto"), f"{param}.url")


def image_urls(document: object) -> Iterator[str]:
    """Every URL an image part of `document` names, however malformed the rest of it is."""
    if isinstance(document, list):
        for each in document:
            yield from image_urls(each)
    elif isinstance(document, dict):
        image = document.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str):
            yield url
        for each in document.values():
            yield from image_urls(each)
