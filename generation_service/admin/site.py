"""The admin pages, put onto the app; without ADMIN_PASSWORD there are none (docs/api.md §9)."""

from typing import Final
from urllib.parse import parse_qsl

import structlog
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_wtf.csrf import generate_csrf, validate_csrf
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse
from wtforms.validators import ValidationError

from generation_service.admin import (
    access,
    deliveries,
    endpoints,
    job,
    jobs,
    overview,
    try_it,
    words,
)
from generation_service.admin.access import Access
from generation_service.admin.headers import HEADERS, unsniffed
from generation_service.api.body import BodyReader
from generation_service.api.errors import explained
from generation_service.core.errors import ServiceError
from generation_service.core.limits import (
    GOOD_PASSWORD_CHARS,
    MAX_ADMIN_FORM_BYTES,
    MAX_ADMIN_FORM_FIELDS,
)
from generation_service.pipeline.resources import Resources

_log = structlog.get_logger()
LOGIN: Final = "admin.login"
_OPEN: Final = frozenset({LOGIN})
_SESSION_OVER: Final = (
    "Your session is over. Log in in another tab, then send this form again: it is still here."
)


def register(app: Flask, resources: Resources, bodies: BodyReader) -> None:
    """Add the pages under /admin if a password is set; their static files are the API's, too."""
    app.view_functions["static"] = unsniffed(app.view_functions["static"])
    settings = resources.settings
    if settings.admin_password is None:
        return
    if len(settings.admin_password) < GOOD_PASSWORD_CHARS:
        _log.warning("admin_password_short", advice=f"Use {GOOD_PASSWORD_CHARS} characters.")
    access.install_sessions(app, resources.engine, settings.admin_password, settings.session_secret)
    words.install(app)
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as the session
    guard = _Guard(
        Access(resources.engine, settings.admin_password, settings.trusted_proxies),
        bodies.limited_to(MAX_ADMIN_FORM_BYTES),
    )
    app.jinja_env.globals.update(
        csrf_token=generate_csrf, simulated=lambda: resources.openai.simulated
    )
    routes = _blueprint(guard)
    for page in (jobs, job, deliveries, endpoints, overview, try_it):
        page.add(routes, resources)
    app.register_blueprint(routes)


def _blueprint(guard: "_Guard") -> Blueprint:
    routes = Blueprint("admin", __name__, url_prefix="/admin")
    routes.before_request(guard.check)
    routes.after_request(_harden)
    routes.register_error_handler(ValidationError, _stale_form)
    routes.register_error_handler(Exception, _error_page)

    @routes.get("/")
    def home() -> AnyResponse:
        return redirect(url_for("admin.jobs"))

    @routes.route("/login", methods=["GET", "POST"])
    def login() -> AnyResponse | str | tuple[str, int, dict[str, str]]:
        if request.method != "POST":
            return render_template("admin/login.html")
        try:
            guard.access.log_in(request, g.form.get("password", ""))
        except ServiceError as error:
            page = render_template("admin/login.html", error=error.message)
            return page, error.http_status, _retry_after(error)
        return redirect(_next())

    @routes.post("/logout")
    def logout() -> AnyResponse:
        guard.access.log_out()
        return redirect(url_for(LOGIN))

    @routes.route("/<path:_rest>", methods=["GET", "POST"])
    def unknown(_rest: str) -> str:
        raise ServiceError("not_found", "There is no such page.")

    return routes


class _Guard:
    """Lets nobody in who has not logged in, and no form that is not from our pages."""

    def __init__(self, access: Access, bodies: BodyReader) -> None:
        self.access = access
        self._bodies = bodies

    def check(self) -> AnyResponse | tuple[str, int] | None:
        if request.endpoint not in _OPEN and not self.access.is_operator():
            return _to_login()
        if request.method == "POST":
            g.form = self._received()
            validate_csrf(g.form.get("csrf_token"))
        return None

    def _received(self) -> MultiDict[str, str]:
        """Read a form as every other body is read: slow senders never take all threads."""
        body = self._bodies.as_sent(request).decode("utf-8", "replace")
        try:
            pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=MAX_ADMIN_FORM_FIELDS)
        except ValueError:
            raise ServiceError("request_too_large", "The form has too many fields.") from None
        return MultiDict(pairs)


def _to_login() -> AnyResponse | tuple[str, int]:
    """Send the browser to the login; what was to be seen follows it.

    A form that was sent from within its page stays there, with all that was typed.
    """
    within = "HX-Request" in request.headers
    if within and request.method == "POST":
        return render_template("admin/error.html", status=401, message=_SESSION_OVER), 401
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    target = url_for(LOGIN, next=wanted)
    if within:  # a live part: the page itself must go there
        return Response(status=401, headers={"HX-Redirect": target})
    return redirect(target)


def _next() -> str:
    """Where the login was on the way to; a page of ours, whatever the query says."""
    wanted = request.args.get("next", "")
    ours = wanted.startswith("/admin/") and "\\" not in wanted and wanted.isprintable()
    return wanted if ours else url_for("admin.jobs")


def _harden(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _stale_form(error: ValidationError) -> tuple[str, int]:
    """Say what to do; a form that was sent from within its page gets its session's token."""
    del error
    renewed = "HX-Request" in request.headers
    message = "This form is no longer valid; load the page again, then repeat what you did."
    if current_app.config["SESSION_COOKIE_NAME"] not in request.cookies:
        message = (
            "The browser sent no cookie with this form. Except on localhost it keeps one only if "
            "the page came over HTTPS, and if cookies are allowed for this site."
        )
    page = render_template("admin/error.html", status=400, message=message, renewed=renewed)
    return page, 400


def _error_page(error: Exception) -> tuple[str, int, dict[str, str]]:
    found = explained(error)
    page = render_template("admin/error.html", status=found.http_status, message=found.message)
    return page, found.http_status, _retry_after(found)


def _retry_after(error: ServiceError) -> dict[str, str]:
    return {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
