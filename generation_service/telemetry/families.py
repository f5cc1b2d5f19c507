"""The metrics themselves: names, meanings and labels (docs/operations/metrics.md).

Every combination of labels whose values are known is there from the start, at 0, because a rate
can't be told from a series that begins at 1.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()

_MODES: Final = ("sync", "batch")
_APIS: Final = ("vision", "translation")
JOB_STATUSES: Final = ("pending", "processing", "completed", "failed")
_OUTCOMES: Final = ("success", "failed")
OPERATIONS: Final = ("create", "read", "update")
_SYNC_AND_DAY: Final = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 1800, 3600, 7200, 14_400)
_DAY: Final = (*_SYNC_AND_DAY, 28_800, 57_600, 86_400)
_REQUEST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TICK: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ATTEMPT: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


def _counter(name: str, what: str, **labels: Sequence[str]) -> Counter:
    """A counter; labels with a list of values are there from the start."""
    counter = Counter(name, what, list(labels), registry=REGISTRY)
    _begin(counter, labels)
    return counter


def _begin(family: Counter | Histogram, labels: Mapping[str, Sequence[str]]) -> None:
    for values in product(*labels.values()) if labels else ():
        family.labels(*values)


def _histogram(
    name: str, what: str, buckets: Sequence[float], **labels: Sequence[str]
) -> Histogram:
    histogram = Histogram(name, what, list(labels), buckets=buckets, registry=REGISTRY)
    _begin(histogram, labels)
    return histogram


GENERATIONS = _counter(
    "generation_requests_total",
    "Requests for descriptions that were answered with them (sync) or with a job (batch), "
    "repetitions included, and those that OpenAI failed.",
    mode=_MODES,
)
REPLAYS = _counter(
    "generation_replays_total",
    "Those of the requests for descriptions that got an earlier answer again.",
    mode=_MODES,
)
DURATIONS = _histogram(
    "generation_duration_seconds",
    "From the request to its answer (sync), from the acceptance of a job to its completion "
    "(batch); replays and what failed are left out.",
    _DAY,
    mode=_MODES,
)
OPENAI_ERRORS = _counter(
    "openai_api_errors_total",
    "Calls to OpenAI, and lines of its batches, that ended with an error or without a text.",
    api=_APIS,
)
DELIVERIES = _counter(
    "webhook_deliveries_total",
    "Webhook deliveries that ended: delivered, or given up.",
    status=_OUTCOMES,
)
JOBS = _counter(
    "batch_jobs_total",
    "Jobs that came into this status: accepted, begun, ended.",
    status=JOB_STATUSES,
)
DATABASE = _counter(
    "database_operations_total",
    "Statements that the database carried out: inserts, selects, updates and deletions.",
    operation=OPERATIONS,
)
JOBS_CANCELLED = _counter("batch_jobs_cancelled_total", "Jobs that were cancelled.")
ATTEMPTS = _counter(
    "webhook_attempts_total",
    "Attempts at webhook deliveries, by how the attempt itself ended.",
    status=_OUTCOMES,
)
ATTEMPT_DURATIONS = _histogram(
    "webhook_attempt_duration_seconds",
    "From the look-up of a receiver's name to the end of its answer.",
    _ATTEMPT,
)
PHOTOS = _counter(
    "image_probes_total",
    "Photos that were tried before anything was asked of OpenAI.",
    result=("reachable", "unreachable"),
)
REQUESTS = Counter(
    "http_requests_total",
    "Answers over HTTP, by the template of the path.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
REQUEST_DURATIONS = Histogram(
    "http_request_duration_seconds",
    "From the request's head to the head of its answer.",
    ["method", "route"],
    buckets=_REQUEST,
    registry=REGISTRY,
)
TICKS = Counter(
    "stage_ticks_total",
    "Runs of a background stage: those that found work, found none, or failed.",
    ["stage", "outcome"],
    registry=REGISTRY,
)
TICK_DURATIONS = Histogram(
    "stage_tick_duration_seconds",
    "Duration of a background stage's runs that found work.",
    ["stage"],
    buckets=_TICK,
    registry=REGISTRY,
)
_ACCOUNT: Final = ("api", "lane", "model", "simulated")
DESCRIPTIONS = Counter(
    "descriptions_total",
    "Answers of OpenAI that were billed: with a usable text, or without one.",
    [*_ACCOUNT, "result"],
    registry=REGISTRY,
)
TOKENS = Counter(
    "openai_tokens_total",
    "Tokens that OpenAI billed, reasoning among the output; input is what was not cached.",
    [*_ACCOUNT, "direction"],
    registry=REGISTRY,
)
COST = Counter(
    "openai_cost_dollars_total",
    "What the tokens cost by the configured prices; a model without a price adds nothing.",
    list(_ACCOUNT),
    registry=REGISTRY,
)
SLOTS = Gauge(
    "sync_slots_in_use",
    "Slots for slow answers that are taken, of MAX_SYNC_PER_PROCESS in each process.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
