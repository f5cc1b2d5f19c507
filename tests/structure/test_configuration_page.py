"""docs/configuration.md is what tools/configuration.py writes, and has every setting."""

from dataclasses import fields

import pytest

from config import Config
from tools import configuration

PAGE = configuration.PAGE.read_text(encoding="utf-8")


def test_the_page_is_as_it_is_written_by_the_tool():
    assert configuration.page() == PAGE, "run: make docs"


@pytest.mark.parametrize("setting", [setting.name.upper() for setting in fields(Config)])
def test_every_setting_has_a_row_that_says_what_it_is_for(setting):
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{setting}` |")]
    _, default, rule, purpose = row.removeprefix("| ").removesuffix(" |").split(" | ")
    assert default
    assert rule
    assert len(purpose) > len("Its port")


@pytest.mark.parametrize(
    ("setting", "default", "rule"),
    [
        ("PORT", "`5000`", "a whole number from 1 to 65,535"),
        ("WEBHOOK_RETRY_SECONDS", "`0,30,60,120,240`", "a number from 0 to 86,400"),
        ("IMAGE_DETAIL", "`high`", "one of `low`, `high`, `original`, `auto`"),
        ("DEADLINE_FALLBACK", "`false`", "one of `true`, `false`"),
        ("SHARED_KEY", "required", "text of at least 32 characters"),
        ("VISION_MODEL", "`gpt-6.1-terra`", "text"),
        ("MAX_ENQUEUED_TOKENS", "unset", "a list of model:tokens"),
    ],
)
def test_defaults_and_rules_are_those_of_the_code(setting, default, rule):
    assert f"| `{setting}` | {default} | {rule} |" in PAGE


def test_settings_without_a_blank_line_between_them_share_their_words():
    ((group, entries),) = configuration.groups("# --- G ---\n\n# Of two\n# lines.\n#A=1\n#B=\n")
    assert group == "G"
    assert [(entry.name, entry.shown, entry.text) for entry in entries] == [
        ("A", "1", "Of two lines."),
        ("B", "", "Of two lines."),
    ]
