"""What every page of the operators, and every static file, tells the browser to refuse."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

CSP: Final = "Content-Security-Policy"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:{photos}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_WITHOUT_PHOTOS: Final = _POLICY.format(photos="")

WITH_PHOTOS: Final[Mapping[str, str]] = {CSP: _POLICY.format(photos=" http: https:")}
"""For a page that shows photos, which may lie anywhere."""

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    CSP: _WITHOUT_PHOTOS,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def unsniffed(serve: Callable[..., Any]) -> Callable[..., Any]:
    """The view of the static files, which browsers then take for nothing but their type."""

    @wraps(serve)
    def served(**values: Any) -> Any:
        response = serve(**values)
        response.headers["X-Content-Type-Options"] = HEADERS["X-Content-Type-Options"]
        return response

    return served
