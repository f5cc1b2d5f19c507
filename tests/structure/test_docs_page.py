"""The page at /docs shows the whole OpenAPI document, and loads nothing but its stylesheets."""

import gzip
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask

from generation_service.api import docs_page, responses
from generation_service.api.docs_page import marked
from generation_service.api.openapi import document
from generation_service.api.schema_words import fields, kind
from generation_service.core.errors import ERRORS

ROOT = Path(__file__).parents[2]
OPERATIONS = [
    (path, method, operation)
    for paths in (document()["paths"], document()["webhooks"])
    for path, methods in paths.items()
    for method, operation in methods.items()
]


class Page(HTMLParser):
    """What stands in a page: `tags` with their attributes, and all `text`."""

    def __init__(self, html):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def every(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def client():
    app = Flask("generation_service")
    responses.install(app)
    app.register_blueprint(docs_page.blueprint())
    return app.test_client()


@pytest.fixture(scope="module")
def html(client):
    answer = client.get("/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_is_shown_with_its_statuses_and_codes(html, path, method, operation):
    _, _, shown = html.partition(f'<article class="card operation" id="{operation["operationId"]}"')
    text = Page(shown.partition("</article>")[0]).text
    assert method.upper() in text
    assert path in text
    for status, response in operation["responses"].items():
        assert status in text
        for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
            assert code in text


def test_every_error_code_is_shown(html):
    assert [code for code in ERRORS if f"<code>{code}</code>" not in html] == []


def test_every_header_and_example_is_shown(html):
    text = Page(html).text
    headers = {
        name
        for _, _, operation in OPERATIONS
        for response in operation["responses"].values()
        for name in response.get("headers", {})
    }
    assert {"X-Request-Id", "Retry-After", "RateLimit-Limit", "Content-Disposition"} <= headers
    assert [name for name in headers if name not in text] == []
    assert "Front-end collision damage visible…" in text


def test_it_loads_its_stylesheets_and_icon_and_nothing_else(html):
    page = Page(html)
    loaded = [attributes["href"] for tag, attributes in page.tags if tag == "link"]
    assert loaded
    assert all((ROOT / str(path).lstrip("/")).is_file() for path in loaded)
    assert not {tag for tag, _ in page.tags} & {"script", "style", "img", "iframe", "form"}
    assert page.every("src") == page.every("style") == []


def test_its_links_lead_to_places_on_it(html):
    page = Page(html)
    places = {f"#{name}" for name in page.every("id")} | {"/docs", "/openapi.json"}
    assert {link for link in page.every("href") if not str(link).startswith("/static/")} <= places
    assert len(page.every("id")) == len(set(page.every("id")))


def test_nothing_may_be_loaded_or_framed(client):
    policy = client.get("/docs").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_it_is_packed_and_not_sent_twice(client, html):
    packed = client.get("/docs", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data).decode() == html
    again = client.get("/docs", headers={"If-None-Match": client.get("/docs").headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_only_backquotes_are_markup():
    assert marked("`a < b` <b>") == "<code>a &lt; b</code> &lt;b&gt;"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 50_000}, "integer, 1 to 50,000"),
        ({"type": "integer", "minimum": 0}, "integer"),
        ({"type": ["string", "null"], "maxLength": 9}, "string, at most 9 characters or null"),
        (
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "list of string, at least 1",
        ),
        ({"type": "string", "format": "date-time"}, "time in UTC"),
        ({"enum": ["a", None]}, "a | null"),
        ({"const": True}, "true"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({"anyOf": [{"format": "uri", "type": "string"}, {"type": "null"}]}, "URL or null"),
        ({}, "any value"),
    ],
)
def test_types_are_said_in_words(schema, words):
    assert kind(schema) == words


def test_members_of_members_are_rows_too():
    lot = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    rows = fields({"properties": {"lots": {"type": "array", "items": lot}}})
    assert [(row.name, row.required) for row in rows] == [("lots", False), ("lots[].id", True)]
