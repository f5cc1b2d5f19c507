"""How answers look on a terminal: HTML as wrapped text, lots with their languages."""

import textwrap
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

WIDTH = 96
BLOCKS = frozenset({"p", "ul", "ol", "li", "br"})


def plain_text(html: str) -> str:
    """The words of a description, one line a paragraph or list item; items start with a dash."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).splitlines())
    return "\n".join(line for line in lines if line not in {"", "-"})


def lot_text(lot: Mapping[str, Any], *, longest: int | None = None) -> str:
    """A lot as clients get it; texts are cut to `longest` characters if that is given."""
    lines = [f"  {lot['lot_id']}" + (f"  {lot['status']}" if "status" in lot else "")]
    for description in lot["descriptions"]:
        text = plain_text(description["damages"])
        if longest is not None:
            text = textwrap.shorten(text, longest, placeholder=" …")
        lines += _labelled(description["language"], text)
    lines += [f"    photo not reachable: {url}" for url in lot["missing_images"]]
    if "error" in lot:
        lines.append(f"    failed: {lot['error']['message']}")
    return "\n".join(lines)


def _labelled(label: str, text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        first = f"    {label:<4}" if not lines else " " * 8
        hanging = " " * (10 if paragraph.startswith("- ") else 8)
        lines += textwrap.wrap(paragraph, WIDTH, initial_indent=first, subsequent_indent=hanging)
    return lines


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in BLOCKS:
            self.pieces.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data.replace("\n", " "))
