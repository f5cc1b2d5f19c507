"""docs/reliability.md draws the states that the code has, and promises what tests keep."""

import re
from dataclasses import fields
from itertools import product

import pytest

from config import Config
from tests.structure.diagrams import DOCUMENT, PLACE, TABLES, arrows, redrawn
from tests.structure.test_security_document import names_of_tests

TEXT = DOCUMENT.read_text(encoding="utf-8")
TESTS = r"`test_\w+`(, `test_\w+`)*"
SHOWN_BY = re.findall(r"^\| (.+) \| (.*`test_.*) \|$", TEXT, re.MULTILINE)
FAULTS = re.search(r"## What OpenAI may do.*?(?=\n## )", TEXT, re.DOTALL)


def test_the_diagrams_are_drawn_from_the_tables():
    assert [place["name"] for place in PLACE.finditer(TEXT)] == list(TABLES)
    assert redrawn(TEXT) == TEXT, "run python -m tests.structure.diagrams"


def explained(name):
    """The changes that the table below a diagram explains."""
    section = re.search(rf"<!-- diagram of {name}:.*?(?=\n##)", TEXT, re.DOTALL)
    assert section is not None
    rows = re.findall(r"^\| (`[^|]+) → (`[^|]+) \|", section[0], re.MULTILINE)
    for sides in rows:
        yield from product(*(re.findall(r"`(\w+)`", side) for side in sides))


@pytest.mark.parametrize("name", TABLES)
def test_every_change_is_explained_once(name):
    states, within, anew = TABLES[name]
    assert sorted(explained(name)) == sorted([*arrows(states, within), *arrows(states, anew)])


def test_every_test_that_is_named_exists():
    assert set(re.findall(r"`(test_\w+)`", TEXT)) - names_of_tests() == set()


@pytest.mark.parametrize(("row", "tests"), SHOWN_BY, ids=lambda text: text[:40])
def test_the_last_column_names_tests_and_nothing_else(row, tests):
    assert re.fullmatch(TESTS, tests), row


def test_every_fault_of_openai_names_its_tests():
    assert FAULTS is not None
    rows = re.findall(r"^\| (.+) \|$", FAULTS[0], re.MULTILINE)
    faults = [row for row in rows if not row.startswith(("fault", "|"))]
    assert len(faults) >= 20
    assert [row for row in faults if not re.search(rf"\| {TESTS}$", row)] == []


def test_settings_that_are_named_exist():
    named = set(re.findall(r"`([A-Z0-9]+_[A-Z0-9_]+)\b", TEXT))
    assert named <= {setting.name.upper() for setting in fields(Config)}
