"""The bodies of deliveries, rendered when they are sent, from rows that no longer change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine

from generation_service.core.limits import WEBHOOK_PART_LOTS
from generation_service.core.times import timestamp
from generation_service.core.webhook_payload import Part, Payload, render
from generation_service.db.delivery_claims import ClaimedDelivery
from generation_service.db.delivery_lots import Content, contents

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NoBody:
    """Why there is nothing to send; `final`: nor will there ever be."""

    error: str
    message: str
    final: bool


NOT_RENDERED: Final = NoBody("internal_error", "The webhook could not be rendered.", final=False)
SUPERSEDED: Final = NoBody(
    "superseded", "A new run of the job has begun, and its end is announced instead.", final=True
)


def bodies(
    engine: Engine, claimed: Sequence[ClaimedDelivery], public_url: str
) -> Iterator[tuple[ClaimedDelivery, bytes | NoBody]]:
    """Each delivery with its body, but for those whose job is gone; few are read at a time."""
    for group in _groups(claimed):
        with engine.connect() as connection:
            found = contents(connection, [delivery.id for delivery in group])
        for delivery in group:
            if delivery.id in found:
                yield delivery, _rendered(delivery, found.pop(delivery.id), public_url)


def _groups(claimed: Sequence[ClaimedDelivery]) -> Iterator[list[ClaimedDelivery]]:
    """Deliveries to read together: no more lots than the largest part has."""
    group: list[ClaimedDelivery] = []
    lots = 0
    for delivery in claimed:
        if group and lots + delivery.most_lots > WEBHOOK_PART_LOTS:
            yield group
            group, lots = [], 0
        group.append(delivery)
        lots += delivery.most_lots
    if group:
        yield group


def _rendered(delivery: ClaimedDelivery, content: Content, public_url: str) -> bytes | NoBody:
    if content.superseded:
        return SUPERSEDED
    try:
        return _body(delivery, content, public_url)
    except Exception:  # noqa: BLE001 - whatever it was, the other deliveries go on
        _log.exception("webhook_not_rendered", delivery=str(delivery.id))
        return NOT_RENDERED


def _body(delivery: ClaimedDelivery, content: Content, public_url: str) -> bytes:
    payload = Payload(
        job_id=str(content.job_id),
        status=content.status,
        completed_at=timestamp(content.completed_at),
        metadata=content.metadata,
        lots=content.lots,
    )
    part = Part(
        delivery_id=str(delivery.id), run=delivery.run, part=delivery.part, parts=delivery.parts
    )
    return render(payload, part, public_url)
