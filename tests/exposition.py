"""The text of /metrics, read the way Prometheus reads it, and held to its rules."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Scrape:
    families: Mapping[str, Metric]
    values: Mapping[Series, float]

    def value(self, name: str, **labels: str) -> float:
        """The value of one series; -1 if it is not there."""
        return self.values.get((name, frozenset(labels.items())), -1)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series with these labels among others."""
        wanted = labels.items()
        return sum(
            value for (found, has), value in self.values.items() if found == name and has >= wanted
        )


def read(text: str) -> Scrape:
    families = list(text_string_to_metric_families(text))
    values = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    assert len(values) == sum(len(family.samples) for family in families), "a series comes twice"
    return Scrape({family.name: family for family in families}, values)


# What `promtool check metrics` finds fault with (github.com/prometheus/client_golang, promlint).
_FORBIDDEN_UNITS = re.compile(
    r"_(milliseconds|ms|minutes|hours|days|kilobytes|kb|mb|megabytes|percent|usd)(_total)?$"
)
_TYPE_NAMES = re.compile(r"(^|_)(counter|gauge|histogram|summary)(_|$)")


def faults(text: str) -> list[str]:
    """What is wrong with the names, texts and types of an exposition."""
    lines = text.splitlines()
    helped = [line.split(" ")[2] for line in lines if line.startswith("# HELP ")]
    typed = dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))
    samples = [line for line in lines if line and not line.startswith("#")]
    found = [f"{name}: HELP comes twice" for name, times in Counter(helped).items() if times > 1]
    found += [f"{name}: no HELP" for name in typed if name not in helped]
    found += [f"{line}: an empty HELP" for line in lines if re.fullmatch(r"# HELP \S+\s*", line)]
    found += [fault for name, kind in typed.items() for fault in _of_name(name, kind)]
    found += [f"{line}: no TYPE" for line in samples if not _is_typed(line, typed)]
    return found


def _of_name(name: str, kind: str) -> Iterable[str]:
    if (kind == "counter") != name.endswith("_total"):
        yield f"{name}: counters, and only they, end with _total"
    if _FORBIDDEN_UNITS.search(name):
        yield f"{name}: the unit is not a base unit"
    if _TYPE_NAMES.search(name):
        yield f"{name}: its type is in its name"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield f"{name}: not in snake_case"
    if kind != "histogram" and re.search(r"_(count|sum|bucket)$", name):
        yield f"{name}: a histogram's suffix"


def _is_typed(line: str, typed: Mapping[str, str]) -> bool:
    name = re.split(r"[{ ]", line, maxsplit=1)[0]
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    return name in typed or typed.get(family) == "histogram"
