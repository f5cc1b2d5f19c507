"""The OpenAPI document says what the service does, and its examples keep its own rules."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from generation_service.api import openapi
from generation_service.api.openapi import document, operations
from generation_service.core import limits
from generation_service.core.errors import ERRORS
from generation_service.core.signatures import canonical_json, sign
from tests.events import SECRET
from tests.integration.api_service import serving

DOCUMENT = document()
COMPONENTS = {"components": DOCUMENT["components"]}
SCHEMAS = DOCUMENT["components"]["schemas"]


def nodes(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its place, but for what stands inside examples."""
    if isinstance(node, dict):
        yield name, node
        for key, child in node.items():
            if key not in ("example", "examples"):
                yield from nodes(child, f"{name}/{key}")
    elif isinstance(node, list):
        for position, child in enumerate(node):
            yield from nodes(child, f"{name}/{position}")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
        found = found[step]
    return found if "$ref" in node else node


def shown(node: dict[str, Any]) -> list[Any]:
    """The examples of a media type, parameter or header."""
    named = [resolved(example)["value"] for example in node.get("examples", {}).values()]
    return [node["example"], *named] if "example" in node else named


def signed(node: dict[str, Any]) -> list[Any]:
    """Those of the examples that have a signature in their body."""
    return [each for each in shown(node) if isinstance(each, dict) and "signature" in each]


ILLUSTRATED = {name: node for name, node in nodes(DOCUMENT) if "schema" in node and shown(node)}


@pytest.fixture
def service(engine):
    with serving(engine, openai_webhook_secret=SECRET) as service:
        yield service


def test_every_route_is_described_and_nothing_else(service):
    described = {
        (path, method) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    served = {
        (re.sub("<(.*?)>", r"{\1}", rule.rule), method.lower())
        for rule in service.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert described == served


def test_the_document_is_served_to_anybody(service):
    answer = service.client.get("/openapi.json")
    assert (answer.status_code, answer.json) == (200, DOCUMENT)


def test_every_error_code_is_described_at_some_operation():
    described = {
        code
        for operation in operations(DOCUMENT)
        for response in operation["responses"].values()
        for code in response.get("content", {}).get("application/json", {}).get("examples", {})
    }
    # No described method of a path can meet method_not_allowed; the admin pages are not the API.
    assert set(ERRORS) - described == {"method_not_allowed", "wrong_password"}


@pytest.mark.parametrize("name", ILLUSTRATED)
def test_examples_keep_their_schemas(name):
    node = ILLUSTRATED[name]
    validator = Draft202012Validator(node["schema"] | COMPONENTS)
    for example in shown(node):
        validator.validate(example)


@pytest.mark.parametrize("name", [name for name, node in ILLUSTRATED.items() if signed(node)])
def test_examples_are_signed_with_the_key_they_name(name):
    (key,) = re.findall(r"`([0-9a-f]{32})`", SCHEMAS["BodySignature"]["description"])
    for example in signed(ILLUSTRATED[name]):
        covered = example["lots"] if "lots" in example else example["urls"]
        assert example["signature"] == sign(key, canonical_json(covered))


def test_every_answer_that_succeeds_has_an_example():
    without = [
        name
        for name, node in nodes(DOCUMENT["paths"])
        if re.search(r"/responses/2\d\d/content/application/json$", name) and not shown(node)
    ]
    assert without == ["//openapi.json/get/responses/200/content/application/json"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_json_schemas(name):
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_references_lead_somewhere():
    references = [node for _, node in nodes(DOCUMENT) if "$ref" in node]
    assert all(resolved(node) for node in references)
    assert len(references) > 100


def test_operation_ids_are_distinct():
    names = [operation["operationId"] for operation in operations(DOCUMENT)]
    assert len(set(names)) == len(names)


def test_links_lead_to_operations():
    names = {operation["operationId"] for operation in operations(DOCUMENT)}
    links = [node for name, node in nodes(DOCUMENT["paths"]) if name.endswith("/links")]
    linked = {resolved(link)["operationId"] for group in links for link in group.values()}
    assert linked <= names
    assert len(linked) >= 5


@pytest.mark.parametrize(
    ("shown_limit", "limit"),
    [
        (SCHEMAS["GenerationRequest"]["properties"]["languages"]["maxItems"], "MAX_LANGUAGES"),
        (SCHEMAS["GenerationRequest"]["properties"]["lots"]["maxItems"], "MAX_LOTS"),
        (SCHEMAS["Lot"]["properties"]["additional_info"]["maxLength"], "MAX_ADDITIONAL_INFO_CHARS"),
        (SCHEMAS["Lot"]["properties"]["images"]["maxItems"], "MAX_IMAGES_PER_LOT"),
        (SCHEMAS["LotId"]["maxLength"], "MAX_LOT_ID_CHARS"),
        (SCHEMAS["Url"]["maxLength"], "MAX_URL_CHARS"),
        (SCHEMAS["ValidationRequest"]["properties"]["urls"]["maxItems"], "MAX_VALIDATION_URLS"),
        (SCHEMAS["Error"]["properties"]["details"]["maxItems"], "MAX_ERROR_DETAILS"),
        (SCHEMAS["Attempt"]["properties"]["response"]["maxLength"], "WEBHOOK_ANSWER_CHARS"),
        (SCHEMAS["Pagination"]["properties"]["limit"]["maximum"], "MAX_PAGE"),
    ],
)
def test_limits_are_those_of_the_code(shown_limit, limit):
    assert shown_limit == getattr(limits, limit)


@pytest.mark.parametrize("name", ["openapi.yaml", "openapi_components.yaml"])
def test_nothing_is_described_twice(name):
    """YAML lets a later key silently replace an earlier one."""
    text = (Path(openapi.__file__).parent / name).read_text(encoding="utf-8")
    twice = [
        f"line {key.start_mark.line + 1}: {key.value}"
        for node in mappings(yaml.compose(text))
        for key, _ in node.value
        if sum(key.value == other.value for other, _ in node.value) > 1
    ]
    assert twice == []


def mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, child in node.value:
            yield from mappings(child)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from mappings(child)
