"""One lot in a synchronous request, against the bare calls to OpenAI that it needs."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from bench.table import Row
from bench.world import LANGUAGES, World
from generation_service.core.prompts import translation_body, vision_body

ROUNDS = 40
WARM_UP = 5
BAR_SECONDS = 0.030


def measure(world: World) -> Row:
    """The two are measured in turn, so that noise of the machine hits both."""
    car = world.cars[0]
    client = world.client
    with requests.Session() as session, ThreadPoolExecutor(2) as pool:
        floor = Floor(world, session, pool)
        times: list[tuple[float, float]] = []
        for turn in range(WARM_UP + ROUNDS):
            lot_id = f"{car['lot_id']}-{turn}"  # or the first answer would be replayed
            served = _seconds(
                partial(
                    client.sync_generate,
                    lot_id,
                    car.get("additional_info", ""),
                    car["image_urls"],
                    LANGUAGES,
                )
            )
            times.append((served, _seconds(floor.run)))
    counted = times[WARM_UP:]
    added = statistics.median(served - bare for served, bare in counted)
    return Row(
        name=f"one lot, {len(car['image_urls'])} photos, {len(LANGUAGES)} languages",
        service=statistics.median(served for served, _ in counted),
        floor=statistics.median(bare for _, bare in counted),
        bar=f"adds {added * 1000:.0f} ms, at most {BAR_SECONDS * 1000:.0f} ms",
        kept=added <= BAR_SECONDS,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Floor:
    """The same questions with nothing around them: vision, then both translations side by side."""

    def __init__(self, world: World, session: requests.Session, pool: ThreadPoolExecutor) -> None:
        self._config = world.stack.config
        self._car = world.cars[0]
        self._session = session
        self._pool = pool

    def run(self) -> None:
        config = self._config
        english = self._ask(
            vision_body(
                model=config.vision_model,
                reasoning_effort=config.vision_reasoning_effort,
                detail=config.image_detail,
                image_urls=self._car["image_urls"],
                additional_info=self._car.get("additional_info"),
                max_completion_tokens=6_000,
            )
        )
        list(self._pool.map(lambda language: self._translate(english, language), ("ru", "de")))

    def _translate(self, english: str, language: str) -> str:
        config = self._config
        return self._ask(
            translation_body(
                model=config.translation_model,
                reasoning_effort=config.translation_reasoning_effort,
                english=english,
                language=language,
                max_completion_tokens=4_000,
            )
        )

    def _ask(self, body: dict[str, object]) -> str:
        answer = self._session.request(
            "POST",
            f"{self._config.openai_base_url}/chat/completions",
            json=body,
            headers={"Authorization": "Bearer simulator"},
            timeout=60,
        )
        answer.raise_for_status()
        text: str = answer.json()["choices"][0]["message"]["content"]
        return text
