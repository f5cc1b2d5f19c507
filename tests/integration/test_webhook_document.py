"""A webhook is what the OpenAPI document says it is."""

import json

from jsonschema import Draft202012Validator

from generation_service.api.openapi import document
from generation_service.pipeline.cancel import cancel
from tests.integration.stages import CLIENT, stages
from tests.servers import LoopbackServer, Reply

DOCUMENT = document()
COMPONENTS = DOCUMENT["components"]
WEBHOOK = DOCUMENT["webhooks"]["jobEnded"]["post"]


def validator(schema):
    return Draft202012Validator({**schema, "components": COMPONENTS})


def is_as_described(request) -> bool:
    body = json.loads(request.body)
    schema = WEBHOOK["requestBody"]["content"]["application/json"]["schema"]
    validator(schema).validate(body)
    return set(body) <= set(COMPONENTS["schemas"]["JobEnded"]["properties"])


def has_the_headers(request) -> bool:
    for reference in WEBHOOK["parameters"]:
        header = COMPONENTS["parameters"][reference["$ref"].rpartition("/")[2]]
        text = request.headers[header["name"].lower()]
        value = int(text) if header["schema"]["type"] == "integer" else text
        validator(header["schema"]).validate(value)
    return True


def test_the_webhooks_of_jobs_that_ended_in_any_way_are_as_described(engine):
    with (
        LoopbackServer({"/hook": Reply()}) as receiver,
        stages(engine, hosts=[receiver.port]) as world,
    ):
        hook = receiver.url("/hook")
        good, bad = world.lot("a", webhook_url=hook), world.lot("b", "/gone.jpg", webhook_url=hook)
        world.finish(world.accept([good, bad], metadata={"order": "7"}))
        world.finish(world.accept([bad]))
        cancel(world.resources, CLIENT, world.accept([good]))
        world.deliver()
    statuses = {json.loads(request.body)["status"] for request in receiver.received}
    assert statuses == {"completed", "failed", "cancelled"}
    assert all(
        is_as_described(request) and has_the_headers(request) for request in receiver.received
    )
