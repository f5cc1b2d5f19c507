"""One request and its answer on a libcurl easy handle, guarded and bounded.

A handle serves request after request: what never changes is set once.
"""

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import certifi
import pycurl

from generation_service.clients.addresses import Allowed, refusal
from generation_service.clients.messages import Answer, Outgoing
from generation_service.clients.urls import Target

MAX_HEADER_BYTES: Final = 64 * 1024
_FIRST_FINAL_STATUS: Final = 200  # 1xx are interim answers (RFC 9110 §15.2)
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})\b")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_STOP: Final = -1  # from a callback: no number of bytes, so libcurl ends the transfer

_NOTHING_WRONG: Final = (None, "")
_NO_STATUS: Final = ("network_error", "The answer has no final status.")

_FIXED_OPTIONS: Final[tuple[tuple[int, object], ...]] = (
    (pycurl.NOSIGNAL, 1),  # signals don't mix with threads
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.FOLLOWLOCATION, 0),  # every hop is judged by us
    (pycurl.PROXY, ""),  # variables like http_proxy are not for strangers' URLs
    (pycurl.NOPROXY, "*"),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.CAINFO, certifi.where()),
    (pycurl.ACCEPT_ENCODING, "gzip, deflate"),
)

_ERRORS: Final[Mapping[int, str]] = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns_failed",
    pycurl.E_COULDNT_CONNECT: "connect_failed",
    pycurl.E_SSL_CONNECT_ERROR: "tls_failed",
    pycurl.E_SSL_CACERT: "tls_failed",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
}

BROKEN_OFF: Final = frozenset(
    {
        pycurl.E_OPERATION_TIMEDOUT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_GOT_NOTHING,
        pycurl.E_PARTIAL_FILE,
        pycurl.E_RECV_ERROR,
        pycurl.E_SEND_ERROR,
    }
)
"""libcurl's codes where one side, maybe because the other was silent, did not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of a request: where it goes, in how many seconds, and what may follow."""

    target: Target
    addresses: tuple[str, ...]  # checked ones of a name; none for a literal
    connect_seconds: float
    total_seconds: float
    may_redirect: bool


class CurlHandle:
    """`begin`, let a CurlLoop run `curl`, then read the `answer`."""

    def __init__(self, allowed_private: Allowed) -> None:
        self._allowed_private = allowed_private
        self._headers_set: Mapping[str, str] | None = None
        self._is_plain_get = False
        self._is_pinned = False
        self.curl = pycurl.Curl()
        for option, value in _FIXED_OPTIONS:
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._take_body)

    def begin(self, request: Outgoing, hop: Hop) -> None:
        """Forget the last exchange and set up the next one."""
        self._request = request
        self._hop = hop
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body = bytearray()
        self._has_enough = False
        self._fault: tuple[str, str] | None = None
        self._set_request()
        self._set_route()

    def _set_request(self) -> None:
        request = self._request
        if request.headers is not self._headers_set:
            headers = [f"{name}: {value}" for name, value in request.headers.items()]
            self.curl.setopt(pycurl.HTTPHEADER, [*headers, "Expect:"])  # no 100-continue round trip
            self._headers_set = request.headers
        is_plain_get = request.method == "GET" and request.body is None
        if not (is_plain_get and self._is_plain_get):
            self._set_method()
        self._is_plain_get = is_plain_get

    def _set_method(self) -> None:
        if self._request.body is None:
            self.curl.setopt(pycurl.HTTPGET, 1)
        else:
            self.curl.setopt(pycurl.POSTFIELDS, self._request.body)
        self.curl.setopt(pycurl.CUSTOMREQUEST, self._request.method)

    def _set_route(self) -> None:
        target = self._hop.target
        self._pin(target, self._hop.addresses)
        self.curl.setopt(pycurl.URL, target.url)
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(self._hop.connect_seconds))
        self.curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(self._hop.total_seconds))

    def _pin(self, target: Target, addresses: Sequence[str]) -> None:
        if addresses:
            pins = ",".join(f"[{each}]" if ":" in each else each for each in addresses)
            # The plus lets libcurl forget the pin after a minute instead of never.
            self.curl.setopt(pycurl.RESOLVE, [f"+{target.host}:{target.port}:{pins}"])
        elif self._is_pinned:
            self.curl.setopt(pycurl.RESOLVE, [])
        self._is_pinned = bool(addresses)

    def answer(self, code: int, text: str, seconds: float = 0.0) -> Answer:
        """What came of it; `code` and `text` are libcurl's verdict, 0 for success."""
        error, message = self._error(code, text)
        return Answer(
            status=self._status,
            headers=self._headers,
            body=bytes(self._body),
            error=error,
            message=message,
            seconds=seconds,
        )

    def forget(self) -> None:
        """Let go of the bodies, which an idle handle would keep in memory."""
        self._body = bytearray()
        if self._request.body is not None:
            self.curl.setopt(pycurl.POSTFIELDS, b"")
            self._request = replace(self._request, body=None)

    @property
    def redirect(self) -> str | None:
        """The Location to go to next, when the answer has one and it may be followed."""
        if self._hop.may_redirect and self._status in _REDIRECTS:
            return self._headers.get("location")
        return None

    def _error(self, code: int, text: str) -> tuple[str | None, str]:
        if self._fault:
            return self._fault
        if code == pycurl.E_OK or self._has_enough:
            return _NOTHING_WRONG if self._status else _NO_STATUS
        if code == pycurl.E_OPERATION_TIMEDOUT and not self._was_connected():
            return "connect_failed", text
        return _ERRORS.get(code, "network_error"), text

    def _was_connected(self) -> bool:
        # CONNECT_TIME stays 0 on a connection that was open already; there a request went out.
        signs = (pycurl.CONNECT_TIME, pycurl.REQUEST_SIZE)
        return any(self.curl.getinfo(sign) > 0 for sign in signs)

    def _open_socket(self, _purpose: int, dialled: pycurl.CurlSockAddr) -> int:
        if not isinstance(dialled.addr, tuple):
            self._fault = ("address_refused", "Only internet addresses are dialled.")
            return pycurl.SOCKET_BAD
        address, port = dialled.addr[:2]
        reason = refusal(address, self._hop.target.host, port, self._allowed_private)
        if reason:
            self._fault = ("address_refused", reason)
            return pycurl.SOCKET_BAD
        opened = socket.socket(dialled.family, dialled.socktype, dialled.protocol)
        return opened.detach()  # libcurl closes it

    def _take_header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._fault = ("network_error", "The answer's headers are too large.")
            return _STOP
        if line.startswith(b"HTTP/") and (status_line := _STATUS_LINE.match(line)):
            status = int(status_line[1])
            self._status = status if status >= _FIRST_FINAL_STATUS else None
            self._headers = {}
            return None
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon:
            self._headers.setdefault(name.strip().lower(), value.strip())
        return None

    def _take_body(self, data: bytes) -> int | None:
        room = self._request.max_bytes - len(self._body)
        self._body += data[:room]
        self._has_enough = len(data) > room or self._is_enough()
        return _STOP if self._has_enough else None

    def _is_enough(self) -> bool:
        enough = self._request.enough
        if enough is None or self._status is None or self.redirect is not None:
            return False
        return enough(self._status, self._headers, bytes(self._body))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # to libcurl 0 means no limit
