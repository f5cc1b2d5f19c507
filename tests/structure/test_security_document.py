"""docs/security.md promises nothing that no test keeps."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from config import Config

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^\| (\*\*.+?) \| (.+?) \|$", DOCUMENT, re.MULTILINE)


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_exists():
    assert set(re.findall(r"`(test_\w+)`", DOCUMENT)) - names_of_tests() == set()


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_every_promise_names_its_tests(promise, tests):
    assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", tests), promise


def test_there_are_promises():
    assert len(PROMISES) >= 10


def test_settings_that_are_named_exist():
    named = set(re.findall(r"`([A-Z0-9]+_[A-Z0-9_]+)\b", DOCUMENT))
    assert named
    assert named <= {setting.name.upper() for setting in fields(Config)}
