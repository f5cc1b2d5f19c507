"""GET /docs: the OpenAPI document for people, as one page of HTML that needs no JavaScript."""

import gzip
import re
from functools import cache
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup, escape

from generation_service.api.reference import reference
from generation_service.api.responses import GZIP_LEVEL, accepts_gzip

_TEMPLATES: Final = Path(__file__).parents[2] / "templates"
_HEADERS: Final = {
    "Cache-Control": "no-cache",  # that is: ask, and be told that nothing has changed
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


def blueprint() -> Blueprint:
    routes = Blueprint("docs", __name__, template_folder=str(_TEMPLATES))

    @routes.get("/docs")
    def docs() -> Response:
        packed = accepts_gzip()
        response = Response(_page(packed=packed), mimetype="text/html")
        response.headers.update(_HEADERS)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.add_etag()
        response.make_conditional(request)
        return response

    routes.add_app_template_filter(marked, "marked")
    return routes


def marked(text: str) -> Markup:
    """Plain text as HTML: what stands in backquotes becomes code, and nothing else is markup."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


@cache
def _page(*, packed: bool) -> bytes:
    """The page, the same for everybody as long as this process lives."""
    if packed:
        return gzip.compress(_page(packed=False), GZIP_LEVEL, mtime=0)
    return render_template("docs.html", reference=reference()).encode()
