"""A signed sample to one receiver, at once, so that its owner sees what it makes of it."""

from datetime import UTC, datetime
from uuid import uuid4

from generation_service.clients import webhooks as client
from generation_service.clients.net import Transfers
from generation_service.clients.webhooks import DeliveryOutcome
from generation_service.core import webhooks as rules
from generation_service.core.limits import WEBHOOK_TOTAL_SECONDS
from generation_service.core.times import timestamp
from generation_service.core.webhook_payload import Part, render, sample
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.signers import signer_of


def send_sample(resources: Resources, owner: str, url: str, *, now: float) -> DeliveryOutcome:
    """Send it as a delivery is sent, guard and deadline included, and wait for the outcome.

    `owner` is a client that has a key; `now` is in Unix seconds, by the database's clock.
    """
    delivery_id = str(uuid4())
    part = Part(delivery_id=delivery_id, run=1, part=1, parts=1)
    moment = timestamp(datetime.fromtimestamp(now, UTC))
    body = render(sample(moment), part, resources.settings.public_url)
    headers = rules.headers(
        body=body,
        signed_by=signer_of(resources.settings, owner),
        delivery_id=delivery_id,
        timestamp=int(now),
        attempt=1,
    )
    transfers: Transfers[str] = Transfers(
        allowed_private=resources.settings.allowed_private_hosts,
        max_in_flight=1,
        max_per_host=1,
        resolver=resources.receivers.resolver,
    )
    with transfers:
        transfers.add(delivery_id, client.outgoing(url, body, headers, client=owner))
        while not (answers := transfers.wait(WEBHOOK_TOTAL_SECONDS)):
            pass
    return client.outcome(answers[0][1])
