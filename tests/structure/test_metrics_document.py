"""docs/operations/metrics.md, the dashboard and the alerts speak of metrics that exist."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from generation_service.worker import STAGES
from tests import exposition, promtool
from tests.structure import metric_table
from tests.structure.promql import WrongQueryError, asked

FOLDER = Path(__file__).parents[2] / "docs" / "operations"
TEXT = metric_table.DOCUMENT.read_text(encoding="utf-8")
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    *(rule["expr"] for rule in RULES),
    *(each["expr"] for panel in PANELS for each in panel["targets"]),
]
PROMETHEUS_OWN: dict[str, frozenset[str]] = {"up": frozenset()}
OF_THE_SCRAPE = {"job", "instance"}
WORDS = {"type": "string", "minLength": 1}
DURATION = {"type": "string", "pattern": r"^\d+[smhd]$"}
# prometheus.io/docs/prometheus/latest/configuration/alerting_rules
RULE_FILE = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {"groups": {"type": "array", "items": {"$ref": "#/$defs/group"}}},
    "$defs": {
        "group": {
            "type": "object",
            "required": ["name", "rules"],
            "additionalProperties": False,
            "properties": {
                "name": WORDS,
                "interval": DURATION,
                "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
            },
        },
        "rule": {
            "type": "object",
            "required": ["alert", "expr", "labels", "annotations"],
            "additionalProperties": False,
            "properties": {
                "alert": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                "expr": WORDS,
                "for": DURATION,
                "labels": {"required": ["severity"], "additionalProperties": WORDS},
                "annotations": {
                    "required": ["summary", "what_to_do"],
                    "additionalProperties": WORDS,
                },
            },
        },
    },
}


def test_the_table_is_drawn_from_the_code():
    assert metric_table.with_table(TEXT) == TEXT


def test_the_page_names_no_metric_that_does_not_exist():
    named = set(re.findall(r"`([a-z]+_[a-z_]+_(?:total|seconds|depth|up|open|way))`", TEXT))
    assert named - set(metric_table.described()) == set()


def test_every_metric_keeps_the_rules_of_names():
    text = metric_table.exposed()
    for faults in promtool.also(exposition.faults, promtool.faults_of_metrics):
        assert faults(text) == []


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_asked_for_exists(query):
    known = {**metric_table.series(), **PROMETHEUS_OWN}
    found = asked(query)
    assert found.series <= known.keys()
    assert found.series
    labels = frozenset().union(*(known[series] for series in found.series))
    assert found.labels <= labels | OF_THE_SCRAPE


def test_what_is_asked_of_a_label_is_one_of_its_values():
    values = {
        (label, value)
        for sample in exposition.read(metric_table.exposed()).values
        for label, value in sample[1]
    } | {("stage", stage) for stage in STAGES}
    queues = {("queue", name) for name in re.findall(r"`(\w+)`", _row("queue_depth"))}
    for query in QUERIES:
        for label, wanted in re.findall(r'(\w+)="([^"$]*)"', query):
            known = values | queues | {("job", "generation-service"), ("simulated", "false")}
            assert (label, wanted) in known or label == "route", (label, wanted)


def _row(name):
    return next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))


@pytest.mark.parametrize("wrong", ["sum(up", "nonsense(up)", "up{", "up @@ 3", "(up]"])
def test_a_wrong_query_is_found(wrong):
    with pytest.raises(WrongQueryError):
        asked(wrong)


def test_the_alerts_are_a_rule_file():
    assert [fault.message for fault in Draft202012Validator(RULE_FILE).iter_errors(ALERTS)] == []
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_prometheus_can_read_all_queries(tmp_path):
    """Those of the dashboard as rules of their own, with Grafana's variables filled in."""
    rules = [
        {"record": f"panel:{n}", "expr": query.replace("$__rate_interval", "5m")}
        for n, query in enumerate(QUERIES)
    ]
    written = tmp_path / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    for faults in promtool.also(_unreadable, promtool.faults_of_rules):
        assert faults(written) == []
        assert faults(FOLDER / "alerts.yml") == []


def _unreadable(path):
    groups = yaml.safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if not asked(rule["expr"]).series]


def test_the_dashboard_can_be_imported():
    assert DASHBOARD["uid"]
    assert DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]}
    assert len(places) == len(ids)
    assert all(panel["description"] for panel in PANELS)
    assert {each["datasource"]["uid"] for p in PANELS for each in p["targets"]} == {"${datasource}"}
