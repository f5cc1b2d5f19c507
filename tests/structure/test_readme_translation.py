"""README.md and README.ru.md say the same: commands, code, settings, endpoints, links, numbers."""

import re

import pytest

from tests.structure.documents import ROOT, blocks

ENGLISH, RUSSIAN = ROOT / "README.md", ROOT / "README.ru.md"
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def prose(page):
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def commands(page):
    """The commands, without the remarks beside them."""
    return [re.sub(r"\s+# .*", "", block.text) for block in blocks(page, "bash")]


def inline_code(page):
    return sorted(re.findall(r"(?<!`)`([^`\n]+)`", prose(page)))


def links(page):
    return sorted(set(re.findall(r"\]\(([^)]+)\)", prose(page))) - {"README.md", "README.ru.md"})


def numbers(page):
    """The numbers of the table of limits, in order; 50,000 and 50 000 are one."""
    table = re.search(r"^\| \| (?:one lot|один лот).*?\n\n", prose(page), re.DOTALL | re.MULTILINE)
    assert table is not None
    return [re.sub(r"\D", "", found) for found in re.findall(r"\d[\d, ]*\d|\d", table[0])]


@pytest.mark.parametrize("language", ["http", "json", "python", ""])
def test_code_is_the_same_to_the_letter(language):
    assert blocks(ENGLISH, language) == blocks(RUSSIAN, language)


def test_commands_are_the_same():
    assert commands(ENGLISH) == commands(RUSSIAN)
    assert len(commands(ENGLISH)) >= 4


def test_settings_endpoints_and_names_are_the_same():
    assert inline_code(ENGLISH) == inline_code(RUSSIAN)


def test_links_are_the_same_and_each_leads_to_the_other():
    assert links(ENGLISH) == links(RUSSIAN)
    assert "(README.ru.md)" in prose(ENGLISH)
    assert "(README.md)" in prose(RUSSIAN)


def test_limits_are_the_same():
    assert numbers(ENGLISH) == numbers(RUSSIAN)
    assert len(numbers(ENGLISH)) >= 15


def test_headings_and_lists_are_as_many():
    for line in (r"^## ", r"^- ", r"^\| "):
        counts = [len(re.findall(line, prose(page), re.MULTILINE)) for page in (ENGLISH, RUSSIAN)]
        assert counts[0] == counts[1], line
