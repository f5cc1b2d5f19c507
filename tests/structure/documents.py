"""The documents of the project and what stands in their fenced blocks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"(?:^<!-- recipe: (?P<recipe>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `recipe` is the name in a comment before it, if there is one."""

    language: str
    text: str
    recipe: str | None


def pages() -> list[Path]:
    """Every document that tells people what to do."""
    named = [*ROOT.glob("README*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(page for page in named if page.parts[len(ROOT.parts)][0] != ".")


def blocks(page: Path, language: str) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [
        Block(each["language"], each["text"], each["recipe"])
        for each in found
        if each["language"] == language
    ]


def recipes(page: Path, name: str) -> dict[str, str]:
    """The blocks of this name: language -> text."""
    languages = ("bash", "python", "javascript", "php")
    named = [block for each in languages for block in blocks(page, each)]
    return {block.language: block.text for block in named if block.recipe == name}
