"""When a rule applies, and which rules can be understood."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_simulator.actions import POINTS, Subject
from openai_simulator.journal import Journal
from openai_simulator.rules import ACTIONS, RuleError, Rules

LINE = Subject(
    raw=b'{"custom_id":"a-1","body":{"model":"gpt-6-luna","messages":[{"content":'
    b'[{"type":"image_url","image_url":{"url":"http://h/dead.jpg"}}]}]}}',
    path="batch_1",
    custom_id="a-1",
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "firings.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def rules(journal: Journal) -> Rules:
    return Rules(journal, seed=7)


def fired(rules: Rules, count: int, subject: Subject = LINE) -> list[bool]:
    return [bool(rules.fire("line", subject)) for _ in range(count)]


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ({}, True),
        ({"custom_id": "^a-"}, True),
        ({"custom_id": "^b-"}, False),
        ({"body": '"custom_id":"a-1"'}, True),
        ({"body": "Scratch"}, False),
        ({"image_url": "dead"}, True),
        ({"image_url": "alive"}, False),
        ({"model": "gpt-6-luna"}, True),
        ({"model": "gpt-6.1-terra"}, False),
        ({"path": "batch_1"}, True),
        ({"model": "gpt-6-luna", "path": "batch_2"}, False),
    ],
)
def test_a_rule_applies_when_every_condition_is_met(
    rules: Rules, match: dict[str, str], *, applies: bool
) -> None:
    rules.add({"on": "line", "do": "missing", "match": match})
    assert fired(rules, 1) == [applies]


def test_a_rule_applies_as_often_as_it_says(rules: Rules) -> None:
    rules.add({"on": "line", "do": "missing", "times": 2})
    assert fired(rules, 4) == [True, True, False, False]


def test_the_nth_match_is_counted_from_one(rules: Rules) -> None:
    rules.add({"on": "line", "do": "missing", "match": {"nth": [2, 4]}})
    assert fired(rules, 5) == [False, True, False, True, False]


def test_a_rule_for_one_point_leaves_the_others_alone(rules: Rules) -> None:
    rules.add({"on": ["chat", "responses"], "do": "slow"})
    assert fired(rules, 1) == [False]
    assert rules.fire("responses", Subject())


def test_chance_follows_the_seed_and_not_the_order(journal: Journal) -> None:
    subjects = [Subject(custom_id=f"c{number}") for number in range(200)]
    draws = []
    for seed, order in ((7, subjects), (7, subjects[::-1]), (8, subjects)):
        rules = Rules(journal, seed)
        rules.add({"on": "line", "do": "missing", "probability": 0.5})
        draws.append({each.custom_id for each in order if rules.fire("line", each)})
    assert draws[0] == draws[1] != draws[2]
    assert 60 < len(draws[0]) < 140


def test_rules_apply_together_until_one_ends_the_call(rules: Rules) -> None:
    for do in ("script_html", "error", "missing"):
        rules.add({"on": "line", "do": do})
    assert [each.do for each in rules.fire("line", LINE)] == ["script_html", "error"]


def test_every_firing_is_recorded(rules: Rules) -> None:
    rule = rules.add({"on": "line", "do": "missing"})
    fired(rules, 1)
    [firing] = rules.firings
    assert (firing["rule"], firing["do"], firing["on"]) == (rule, "missing", "line")
    assert (firing["custom_id"], firing["path"]) == ("a-1", "batch_1")
    assert (rules.documents[0]["seen"], rules.documents[0]["fired"]) == (1, 1)


def test_rules_can_be_taken_back(rules: Rules) -> None:
    first = rules.add({"on": "line", "do": "missing"})
    rules.add({"on": "line", "do": "duplicate"})
    assert (rules.remove(first), rules.remove(first)) == (True, False)
    rules.clear()
    assert fired(rules, 1) == [False]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"on": "line"},
        {"on": "line", "do": "explode"},
        {"on": "upload", "do": "missing"},
        {"on": ["line", "chat"], "do": "missing"},
        {"on": [], "do": "missing"},
        {"do": "missing"},
        {"on": "line", "do": "missing", "colour": "red"},
        {"on": "line", "do": "missing", "times": 0},
        {"on": "line", "do": "missing", "probability": 2},
        {"on": "line", "do": "missing", "match": {"colour": "red"}},
        {"on": "line", "do": "missing", "match": {"custom_id": "("}},
        {"on": "line", "do": "missing", "match": {"body": 5}},
        {"on": "line", "do": "missing", "match": {"nth": "first"}},
        {"on": "line", "do": "missing", "match": "a"},
        {"on": [["line"]], "do": "missing"},
        {"on": "line", "do": ["missing"]},
        {"on": "batch", "do": "expire", "fraction": "half"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rules: Rules, rule: dict[str, Any]) -> None:
    with pytest.raises(RuleError):
        rules.add(rule)
    assert rules.documents == []


def test_every_point_has_actions_and_every_action_a_point() -> None:
    assert frozenset().union(*(action.points for action in ACTIONS.values())) == POINTS


def test_the_readme_names_every_action_with_its_parameters() -> None:
    readme = (Path(__file__).parents[2] / "openai_simulator" / "README.md").read_text("utf-8")
    rows = [row for row in readme.splitlines() if row.startswith("| ")]
    for name, action in ACTIONS.items():
        [row] = [row for row in rows if f"| `{name}` |" in row]
        assert all(f"`{parameter}`" in row for parameter in action.parameters), name
