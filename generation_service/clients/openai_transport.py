"""HTTP towards OpenAI that keeps a total deadline and a cap on what it reads.

Timeouts of HTTP libraries are for each read: a server that sends a byte now and then would hold
a call for ever, in its headers as well as in its body. Here every single read and write of the
socket is given only what is left until the deadline of the call that it belongs to. The call is
known by a context variable, because the SDK and the connection pool lie in between.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from generation_service.clients.deadline import Deadline

SIMULATED_HEADER: Final = "x-simulated"
"""The stand-in for OpenAI says so in all its answers."""
CONNECTIONS: Final = httpx2.Limits(max_connections=256, max_keepalive_connections=128)


@dataclass(frozen=True, slots=True)
class _Bounds:
    deadline: Deadline
    max_bytes: int


_BOUNDS: ContextVar[_Bounds | None] = ContextVar("bounds of the call", default=None)


@contextmanager
def bounded(deadline: Deadline, max_bytes: int) -> Iterator[None]:
    """Everything that this thread exchanges inside the block ends by the deadline.

    What outlives it raises httpx2.ReadTimeout, WriteTimeout or ConnectTimeout; a body of more
    than `max_bytes` raises httpx2.ReadError.
    """
    token = _BOUNDS.set(_Bounds(deadline, max_bytes))
    try:
        yield
    finally:
        _BOUNDS.reset(token)


def environment_proxy(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY ask for, if any."""
    url = urlsplit(base_url)
    if proxy_bypass(url.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


class BoundedTransport(httpx2.HTTPTransport):
    """A connection pool that heeds `bounded`, and goes through `proxy` if one is given.

    `simulated` tells whether the last answer came from the stand-in for OpenAI; None before any.
    """

    def __init__(self, *, proxy: str | None) -> None:
        super().__init__(limits=CONNECTIONS, proxy=proxy)
        self.simulated: bool | None = None
        # The pool takes a backend when it is made, but the transport that makes it hands none on.
        self._pool._network_backend = _Backend()  # noqa: SLF001

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        self.simulated = SIMULATED_HEADER in response.headers
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":  # unpacked, its size would be anybody's guess
            response.close()
            raise httpx2.DecodingError(f"The answer is {encoding}, which was not asked for.")
        bounds = _BOUNDS.get()
        if bounds is not None and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _CappedStream(response.stream, bounds.max_bytes)
        return response


class _CappedStream(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > self._max_bytes:
                raise httpx2.ReadError(f"The answer is larger than {self._max_bytes} bytes.")
            yield chunk

    def close(self) -> None:
        self._inner.close()


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore2.TimeoutException]) -> float | None:
    bounds = _BOUNDS.get()
    if bounds is None:
        return timeout
    left = bounds.deadline.left()
    if left <= 0:
        raise late("The deadline of the call has passed.")
    return left if timeout is None else min(timeout, left)
