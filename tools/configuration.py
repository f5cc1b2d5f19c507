"""docs/configuration.md, written from config.py and .env.example: `python -m tools.configuration`.

Names, defaults and what a setting may be come from config.py; what it is for stands once, above it
in .env.example, whose groups and order are kept.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Final

from config import Config, ConfigError

_ROOT: Final = Path(__file__).parents[1]
PAGE: Final = _ROOT / "docs" / "configuration.md"
EXAMPLE: Final = _ROOT / ".env.example"
_INTRODUCTION: Final = """\
# Configuration

<!-- Written by `make docs` from config.py and .env.example; don't change it here. -->

Settings are environment variables; `.env` is read too, and the environment wins. A variable that is
set but empty counts as unset, but for the two `…_REASONING_EFFORT`; leave `WEB_CONCURRENCY` out
rather than empty, for Gunicorn reads it too. A wrong or missing setting stops the start, and all
faults are named at once. [.env.example](../.env.example) has them all, ready to copy.
"""
_HEAD: Final = "| setting | default | must be | what it is for |\n|---|---|---|---|\n"
_GROUP: Final = re.compile(r"# --- (.+?) -+")
_SETTING: Final = re.compile(r"#([A-Z0-9_]+)=(.*)")
_NOUNS: Final = {
    "be ": "",
    "have ": "text of ",
    "hold ": "text with ",
    "start with ": "a URL that starts with ",
}
_REQUIRED: Final = {"SHARED_KEY": "required", "OPENAI_API_KEY": "required, or `OPENAI_BASE_URL`"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting as .env.example shows it: `text` is what stands above it, "" if nothing does."""

    name: str
    shown: str
    text: str


def page() -> str:
    """The whole document."""
    allowed = _allowed()
    parts = [_INTRODUCTION]
    for group, entries in groups(EXAMPLE.read_text(encoding="utf-8")):
        parts.append(
            f"## {group}\n\n| setting | default | must be | what it is for |\n|---|---|---|---|\n"
        )
        parts[-1] += "".join(_row(entry, allowed.get(entry.name, "text")) for entry in entries)
    return "\n".join(parts)


def groups(example: str) -> Iterator[tuple[str, Sequence[Entry]]]:
    """The groups of .env.example with their settings, in order."""
    _, *parts = re.split(_GROUP, example)
    for group, lines in zip(parts[::2], parts[1::2], strict=True):
        yield group, list(_entries(lines))


def _entries(lines: str) -> Iterator[Entry]:
    """Settings that follow each other without a blank line share the words above the first."""
    for paragraph in re.split(r"\n{2,}", lines.strip()):
        words: list[str] = []
        for line in paragraph.splitlines():
            if setting := _SETTING.fullmatch(line):
                yield Entry(setting[1], setting[2], " ".join(words))
            else:
                words.append(line.removeprefix("#").strip())


def _allowed() -> dict[str, str]:
    """What each setting must be, in the words with which config.py refuses what it is not."""
    found: dict[str, str] = {}
    for nonsense in ("\x00", "?"):  # what takes a lone question mark refuses a control character
        try:
            Config.from_env({setting.name.upper(): nonsense for setting in fields(Config)})
        except ConfigError as error:
            faults = re.findall(r"^([A-Z0-9_]+): must (.*)", str(error), re.MULTILINE)
            found |= {name: _rule(words) for name, words in faults}
    return found


def _rule(words: str) -> str:
    """The rule alone, without what was wrong, and how to get a good one."""
    rule = re.split(r", not '|; |: | and be valid|, this has|, for example", words)[0]
    rule = re.sub(r"\d{4,}", lambda number: f"{int(number[0]):,}", rule.replace("''", "empty"))
    for verb, noun in _NOUNS.items():
        rule = re.sub(rf"^{verb}", noun, rule)
    return rule.replace("'", "`")


def _row(entry: Entry, allowed: str) -> str:
    default = _REQUIRED.get(entry.name) or _default(entry.name)
    example = f" For example `{entry.shown}`." if entry.shown and default == "unset" else ""
    return f"| `{entry.name}` | {default} | {allowed} | {entry.text}{example} |\n".replace(
        "  ", " "
    )


def _default(name: str) -> str:
    (default,) = [each.default for each in fields(Config) if each.name.upper() == name]
    if default is MISSING or default in (None, "", (), frozenset()):
        return "unset"
    if isinstance(default, tuple):
        return f"`{','.join(f'{each:g}' for each in default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
