"""Who may see the admin pages: an operator who gave the password (docs/api.md §9).

The cookie is signed and holds the id of a row: logging out deletes the row, so that a copied cookie
is worth nothing afterwards. The key that signs it depends on the password, so that a new password
ends every session.
"""

import hmac
from datetime import timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Final
from uuid import UUID, uuid4

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import Engine
from structlog.contextvars import bind_contextvars

from generation_service.api.database import request_transaction
from generation_service.api.senders import asked_host, sender_of
from generation_service.core.errors import ServiceError
from generation_service.core.limits import ADMIN_LOGINS_A_MINUTE, ADMIN_SESSION_HOURS
from generation_service.core.settings import Network
from generation_service.db import admin_sessions, operations, rate_limits

_ID: Final = "id"
_MINUTE: Final = 60
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """Logs operators in and out, and tells whether the sender of a request is one."""

    def __init__(self, engine: Engine, password: str, trusted_proxies: tuple[Network, ...]) -> None:
        self._engine = engine
        self._password = password
        self._trusted_proxies = trusted_proxies

    def log_in(self, sent: Request, password: str) -> None:
        """Begin a session; ServiceError `wrong_password`, or `rate_limited` after five of them."""
        key = f"login:{sender_of(sent, self._trusted_proxies)}"
        with request_transaction(self._engine) as connection:
            window = rate_limits.hit(connection, key, limit=ADMIN_LOGINS_A_MINUTE, seconds=_MINUTE)
        if not window.allowed:
            raise _too_many(window.resets_in)
        if not hmac.compare_digest(_bytes(password), _bytes(self._password)):
            raise ServiceError("wrong_password", "The password is wrong.")
        with request_transaction(self._engine) as connection:
            rate_limits.take_back(connection, key, seconds=_MINUTE)
            session.clear()
            session[_ID] = str(admin_sessions.begin(connection, uuid4(), ADMIN_SESSION_HOURS))
        session.permanent = True

    def log_out(self) -> None:
        held = _session_id()
        session.clear()
        if held:
            with request_transaction(self._engine) as connection:
                admin_sessions.end(connection, held)

    def is_operator(self) -> bool:
        held = _session_id()
        if held is None:
            return False
        with request_transaction(self._engine) as connection:
            known = admin_sessions.is_open(connection, held)
        if known:
            bind_contextvars(client=":operator")
        return known


class _Cookie(SecureCookieSessionInterface):
    """Secure wherever the browser does not talk to its own machine."""

    def get_cookie_secure(self, app: Flask) -> bool:
        del app
        return asked_host(request) not in _LOOPBACK


def install_sessions(app: Flask, engine: Engine, password: str, secret: str | None) -> None:
    """Sign the cookie with SESSION_SECRET, or with a secret made once for the deployment."""
    with engine.begin() as connection:
        secret = secret or operations.setting(connection, "session_secret", token_hex(32))
    app.secret_key = hmac.new(secret.encode(), _bytes(password), sha256).digest()
    app.session_interface = _Cookie()
    app.config.update(
        SESSION_COOKIE_NAME="generation_service_admin",
        SESSION_COOKIE_PATH="/admin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=ADMIN_SESSION_HOURS),
    )


def _session_id() -> UUID | None:
    held = session.get(_ID)
    return UUID(held) if isinstance(held, str) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _too_many(seconds: float) -> ServiceError:
    whole = max(1, round(seconds))
    return ServiceError(
        "rate_limited",
        f"Too many wrong passwords came from this address; try again in {whole} s.",
        retry_after=whole,
    )
