"""What the demo shows, step by step; each step is checked and says why when it went wrong."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from demo.loopback import Receiver, Webhook
from demo.show import lot_text
from examples.generation_service_client import Car, GenerationServiceClient, Json

LANGUAGES = ("en", "ru", "de")
JOB_WITHIN_SECONDS = 120.0
WEBHOOK_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.5
TEXT_CHARACTERS = 86


class StepError(Exception):
    """A step of the demo did not come out as it should; says which and how."""


def tell(client: GenerationServiceClient, cars: Sequence[Car], receiver: Receiver) -> None:
    """One lot at once, then all of them as a job with a photo missing and a webhook."""
    describe_one(client, cars[0])
    missing = f"{cars[-1]['image_urls'][0]}.deleted-by-the-seller"
    last: Car = {**cars[-1], "image_urls": [*cars[-1]["image_urls"], missing]}
    results = describe_many(client, [*cars[:-1], last], receiver.url)
    _expect(
        results["lots"][-1]["missing_images"] == [missing],
        f"lot {last['lot_id']} should name its missing photo, and names "
        f"{results['lots'][-1]['missing_images']}",
    )
    receive(receiver, results["lots"])


def describe_one(client: GenerationServiceClient, car: Car) -> None:
    photos = len(car["image_urls"])
    _heading(f"1. One lot, {photos} photos, answered at once in {', '.join(LANGUAGES)}")
    began = time.monotonic()
    answer, status = client.sync_generate(
        car["lot_id"], car.get("additional_info", ""), car["image_urls"], LANGUAGES
    )
    _expect(status == 200, f"HTTP {status} {answer}")  # noqa: PLR2004  (OK)
    lot = answer["lots"][0]
    _expect_languages(lot)
    print(lot_text(lot))
    print(f"  answered in {time.monotonic() - began:.1f} s")


def describe_many(client: GenerationServiceClient, cars: Sequence[Car], webhook_url: str) -> Json:
    """Order the cars as a job and return its `results`."""
    _heading(f"2. A job of {len(cars)} lots in {', '.join(LANGUAGES)}; one photo is missing")
    began = time.monotonic()
    document, error = client.batch_generate_with_polling(
        cars,
        LANGUAGES,
        webhook_url,
        poll_interval=POLL_SECONDS,
        max_wait_time=JOB_WITHIN_SECONDS,
    )
    if document is None:
        raise StepError(str(error))
    results: Json = document["results"]
    _expect(len(results["lots"]) == len(cars), f"{len(results['lots'])} lots came back")
    for lot in results["lots"]:
        _expect(
            lot["status"] == "completed",
            f"lot {lot['lot_id']} is {lot['status']}, {lot.get('error')}",
        )
        _expect_languages(lot)
        print(lot_text(lot, longest=TEXT_CHARACTERS))
    print(f"  job {document['job_id']} took {time.monotonic() - began:.1f} s")
    return results


def receive(receiver: Receiver, lots: Sequence[Mapping[str, Any]]) -> None:
    _heading("3. The webhook")
    webhook = receiver.wait(lambda _: True, WEBHOOK_WITHIN_SECONDS)
    if webhook is None:
        raise StepError(f"no webhook came within {WEBHOOK_WITHIN_SECONDS:g} s")
    _expect(webhook.verified, "the webhook's signature is wrong")
    document = json.loads(webhook.body)
    _expect(document["lots"] == list(lots), "the webhook's lots are not those of the results")
    _show_webhook(webhook, document)


def _show_webhook(webhook: Webhook, document: Mapping[str, Any]) -> None:
    shown = ("X-Signature", "webhook-id", "webhook-timestamp", "webhook-signature")
    given = {name.lower(): value for name, value in webhook.headers.items()}
    for name in shown:
        print(f"  {name}: {given.get(name.lower(), '(none)')}")
    print(f"  {len(webhook.body)} bytes: {document['status']}, {len(document['lots'])} lots")
    print("  both signatures verified")


def _expect_languages(lot: Mapping[str, Any]) -> None:
    languages = tuple(entry["language"] for entry in lot["descriptions"])
    _expect(languages == LANGUAGES, f"lot {lot['lot_id']} has {languages}, not {LANGUAGES}")
    texts = [entry["damages"].strip() for entry in lot["descriptions"]]
    _expect(all(texts), f"lot {lot['lot_id']} has an empty description")


def _expect(true: bool, otherwise: str) -> None:  # noqa: FBT001  (reads as a sentence)
    if not true:
        raise StepError(otherwise)


def _heading(text: str) -> None:
    print(f"\n── {text}", flush=True)
