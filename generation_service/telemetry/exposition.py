"""The counts of all processes as Prometheus reads them, and how the processes themselves fare."""

import platform
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from generation_service.telemetry import families, shared_counts

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def exposition(version: str, more: Iterable[Metric]) -> bytes:
    """The whole document; `more` are families that are not counted by processes."""
    registry = CollectorRegistry()
    for group in (counted(), processes(), [_build(version)], more):
        registry.register(_Families(list(group)))
    return generate_latest(registry)


def counted() -> list[Metric]:
    """What is counted, added up over the processes."""
    folder = shared_counts.folder()
    if folder is None:
        return list(families.REGISTRY.collect())
    with shared_counts.turn():
        collector = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
        found = collector.collect()  # type: ignore[no-untyped-call]
    return sorted(found, key=lambda family: family.name)


def processes() -> Iterator[Metric]:
    """Memory, processor time and files of each process, by its id; empty without /proc."""
    families: dict[str, Metric] = {}
    for pid in shared_counts.processes():
        for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
            family = families.setdefault(found.name, _alike(found))
            for sample in found.samples:
                family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
    yield from families.values()


def _alike(found: Metric) -> Metric:
    return Metric(found.name, found.documentation, found.type)


def _build(version: str) -> Metric:
    labels = {"version": version, "python": platform.python_version()}
    build = GaugeMetricFamily(
        "generation_service_build_info", "What runs here; always 1.", labels=list(labels)
    )
    build.add_metric(list(labels.values()), 1)
    return build


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families
