"""Deliveries are cut into parts that a receiver can take, whatever the lots hold."""

import random

import pytest

from generation_service.core.limits import WEBHOOK_PART_BYTES, WEBHOOK_PART_LOTS
from generation_service.core.status import JobStatus
from tests.integration.stages import stages

URL = "http://receiver.example/hook"


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def parts(world):
    return world.rows(
        "SELECT part, parts, first_position, last_position FROM webhook_deliveries ORDER BY part"
    )


def test_a_part_holds_at_most_500_lots(world):
    lots = [world.lot(f"lot-{n}", "/gone.jpg", webhook_url=URL) for n in range(1_001)]
    world.finish(world.accept(lots))
    found = parts(world)
    assert [(row["part"], row["parts"]) for row in found] == [(1, 3), (2, 3), (3, 3)]
    assert found[0]["last_position"] == WEBHOOK_PART_LOTS - 1


def test_missing_photos_count_towards_the_size_of_a_part(world):
    long = [f"/gone-{'x' * 1_900}-{n}.jpg" for n in range(150)]
    job_id = world.accept([world.lot(f"lot-{n}", *long, webhook_url=URL) for n in range(8)])
    world.finish(job_id)
    lots = world.results(job_id)
    sizes = [
        sum(
            len("".join(lot.missing_images))
            for lot in lots[row["first_position"] : row["last_position"] + 1]
        )
        for row in parts(world)
    ]
    assert len(sizes) > 1
    assert max(sizes) < 2 * WEBHOOK_PART_BYTES


def test_the_longest_webhook_url_ends_its_job_like_any_other(world):
    # Distinct characters of three bytes each: no compression makes this fit a B-tree entry.
    path = "".join(random.Random(2).sample([chr(n) for n in range(0x4E00, 0x9FFF)], k=2_000))
    lots = world.lots(2, webhook_url=f"http://receiver.example/{path}")
    assert world.finish(world.accept(lots)).status is JobStatus.COMPLETED
    assert len(parts(world)) == 1
