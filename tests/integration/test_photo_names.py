"""The names of photos are looked up on behalf of the client whose photos they are."""

import json
from dataclasses import replace

import pytest
from flask import Flask

from generation_service.api.body import BodyReader
from generation_service.api.routes import register
from generation_service.clients.images import ImageProber
from generation_service.clients.resolver import Listener, Question, Resolver
from generation_service.core.lots import Lot
from generation_service.core.signatures import canonical_json, sign
from generation_service.pipeline import probe
from tests.integration.stages import CLIENT, SETTINGS, go_on, stages

VALIDATE = "/api/v1/test-image-validation"
GENERATE = "/api/v1/generate-descriptions"


class Noting(Resolver):
    """Finds every name on loopback, and notes what it was asked and for whom."""

    def __init__(self) -> None:
        super().__init__(lambda _name: ["127.0.0.1"])
        self.asked: list[Question] = []

    def resolve(self, question: Question, listener: Listener) -> None:
        self.asked.append(question)
        super().resolve(question, listener)


@pytest.fixture
def names():
    return Noting()


@pytest.fixture
def world(engine, names):
    with stages(engine) as running:
        allowed = frozenset({("photos.test", running.photos.port)})
        prober = ImageProber(allowed_private=allowed, resolver=names)
        yield replace(running, resources=replace(running.resources, prober=prober))


def photo(world):
    return world.photos.url("/1.jpg", "photos.test")


def post(world, path, field, value, **more):
    app = Flask("photos")
    bodies = BodyReader(world.resources.settings.max_request_bytes)
    register(app, world.resources, bodies, database_alive=lambda: True, stages_tick=lambda: True)
    signature = sign(SETTINGS["SHARED_KEY"], canonical_json(value))
    body = json.dumps({field: value, "signature": signature, **more})
    return app.test_client().post(path, data=body)


def test_of_a_job(world, names):
    world.accept([Lot(lot_id="a", image_urls=(photo(world),)), *world.lots(1)])
    probe.tick(world.resources, go_on)
    assert set(names.asked) == {("photos.test", CLIENT)}


def test_of_a_single_lot(world, names):
    lots = [{"lot_id": "a", "images": [{"url": photo(world)}]}]
    post(world, GENERATE, "lots", lots, version="1.0.0", languages=["en"])
    assert set(names.asked) == {("photos.test", CLIENT)}


def test_of_a_validation(world, names):
    assert post(world, VALIDATE, "urls", [photo(world)]).json["threshold_met"] is True
    assert set(names.asked) == {("photos.test", CLIENT)}


def test_of_a_validation_by_strangers(world, names):
    settings = replace(world.resources.settings, allow_unsigned_image_validation=True)
    open_to_all = replace(world, resources=replace(world.resources, settings=settings))
    assert post(open_to_all, VALIDATE, "urls", [photo(world)]).json["threshold_met"] is True
    assert set(names.asked) == {("photos.test", ":anyone")}
