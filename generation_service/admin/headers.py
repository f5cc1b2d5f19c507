"""What every page of the operators tells the browser to refuse."""

from collections.abc import Mapping
from typing import Final

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
