"""Who may see the admin pages, and what nobody may make an operator's browser do."""

from uuid import UUID

import pytest

from generation_service.db.engine import make_engine
from tests.integration.api_service import serving
from tests.integration.operator_client import PASSWORD, Pages, operator

COOKIE = "generation_service_admin"
SOME_ID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def service(engine):
    with serving(engine, admin_password=PASSWORD) as started:
        yield started


@pytest.fixture
def pages(service):
    return Pages(service)


def routes(service):
    """(method, path) of every page of the operators but the login."""
    for rule in service.app.url_map.iter_rules():
        if rule.rule.startswith("/admin") and rule.endpoint != "admin.login":
            values = dict.fromkeys(rule.arguments, UUID(SOME_ID)) | {"_rest": "nowhere"}
            path = rule.build({name: values[name] for name in rule.arguments})[1]
            for method in sorted(rule.methods & {"GET", "POST", "PUT", "DELETE", "PATCH"}):
                yield method, path


def test_no_page_but_the_login_opens_without_a_session(service, pages):
    asked = list(routes(service))
    assert len(asked) > 10
    for method, path in asked:
        answer = pages.client.open(path, method=method)
        assert answer.status_code == 302, (method, path)
        assert answer.location.startswith("/admin/login"), (method, path)


def test_a_live_part_is_led_to_the_login_as_a_whole_page(pages):
    answer = pages.get("/admin/jobs?status=failed", **{"HX-Request": "true"})
    assert answer.status_code == 401
    login = answer.headers["HX-Redirect"]
    assert login.startswith("/admin/login?")
    back = pages.log_in(query=login.removeprefix("/admin/login"))
    assert back.location == "/admin/jobs?status=failed"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_the_login_can_be_asked_about(pages, method):
    assert pages.client.open("/admin/login", method=method).status_code == 200


def test_no_form_of_another_site_does_anything(service):
    pages = operator(service)
    posts = [path for method, path in routes(service) if method == "POST"]
    assert len(posts) > 4
    for path in [*posts, "/admin/login"]:
        assert pages.post_bare(path, password=PASSWORD).status_code == 400, path
        assert pages.post_bare(path, csrf_token="x" * 40).status_code == 400, path
    assert pages.is_in()


def test_who_keeps_no_cookie_is_told_why_the_form_is_refused(service, pages):
    assert "only if the page came over HTTPS" in pages.post_bare("/admin/login").text
    assert "load the page again" in operator(service).post_bare("/admin/login").text


def test_a_token_of_another_session_does_not_count(service):
    pages, others = operator(service), operator(service)
    assert pages.post_bare("/admin/logout", csrf_token=others.token()).status_code == 400


def test_only_the_password_opens(pages):
    answer = pages.log_in("a wrong guess")
    assert answer.status_code == 403
    assert "The password is wrong." in answer.text
    assert not pages.is_in()
    assert pages.log_in().location == "/admin/jobs"
    assert pages.is_in()


@pytest.mark.parametrize("guess", ["", PASSWORD + " ", PASSWORD.upper(), "\udcff", "пароль"])
def test_what_is_nearly_the_password_is_wrong(pages, guess):
    sent = guess.encode("utf-8", "surrogateescape")
    assert pages.log_in(sent).status_code == 403


def test_five_wrong_passwords_a_minute_are_all_that_an_address_has(service, pages):
    assert [pages.log_in("no").status_code for _ in range(6)] == [403] * 5 + [429]
    answer = pages.log_in()
    assert answer.status_code == 429, "the right one, too"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert Pages(service, address="192.0.2.2").log_in().status_code == 302


def test_right_passwords_use_nothing_up(pages):
    for _ in range(8):
        assert pages.log_in().status_code == 302


def test_logging_out_ends_copies_of_the_cookie_too(service):
    pages = operator(service)
    thief = Pages(service)
    thief.client.set_cookie(
        COOKIE, pages.client.get_cookie(COOKIE, path="/admin").value, path="/admin"
    )
    assert thief.is_in()
    assert pages.post("/admin/logout").location == "/admin/login"
    assert not thief.is_in()
    assert not pages.is_in()


def test_a_session_ends_after_twelve_hours(service):
    pages = operator(service)
    service.run("UPDATE admin_sessions SET expires_at = expires_at - interval '11:59'")
    assert pages.is_in()
    service.run("UPDATE admin_sessions SET expires_at = expires_at - interval '2 minutes'")
    assert not pages.is_in()


def test_a_new_password_ends_every_session(database_url, service):
    pages = operator(service)
    cookie = pages.client.get_cookie(COOKIE, path="/admin").value
    engine = make_engine(database_url)
    with (
        serving(engine, admin_password=PASSWORD) as same,
        serving(engine, admin_password="a new one") as other,
    ):
        for started, stays in ((same, True), (other, False)):
            visitor = Pages(started)
            visitor.client.set_cookie(COOKIE, cookie, path="/admin")
            assert visitor.is_in() is stays
    engine.dispose()


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("localhost", False),
        ("127.0.0.1:5000", False),
        ("[::1]:5000", False),
        ("ops.example", True),
        ("localhost.evil.example", True),
    ],
)
def test_the_cookie_is_for_the_pages_alone(service, host, secure):
    cookie = Pages(service, host=host).log_in().headers["Set-Cookie"]
    attributes = {part.strip().partition("=")[0] for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "Path", "SameSite", "Expires"} <= attributes
    assert "SameSite=Lax" in cookie
    assert "Path=/admin" in cookie
    assert ("Secure" in attributes) is secure


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/admin/jobs?status=failed", "/admin/jobs?status=failed"),
        ("/admin/deliveries", "/admin/deliveries"),
        ("", "/admin/jobs"),
        ("https://evil.example/admin/", "/admin/jobs"),
        ("//evil.example/admin/", "/admin/jobs"),
        ("/\\evil.example", "/admin/jobs"),
        ("/admin/\\..\\..\\evil", "/admin/jobs"),
        ("/admin/\n//evil.example", "/admin/jobs"),
        ("/admin@evil.example/", "/admin/jobs"),
        ("javascript:alert(1)", "/admin/jobs"),
        ("/api/v1/batch-jobs", "/admin/jobs"),
    ],
)
def test_the_login_leads_to_pages_of_ours_only(pages, wanted, led_to):
    token = pages.token()
    answer = pages.client.post(
        "/admin/login",
        query_string={"next": wanted},
        data={"csrf_token": token, "password": PASSWORD},
        environ_overrides={"REMOTE_ADDR": pages.address},
    )
    assert answer.location == led_to


def test_the_login_remembers_where_it_was_on_the_way_to(pages):
    wanted = "/admin/jobs?status=failed&q=24%2610381"
    login = pages.get(wanted).location
    assert pages.log_in(query="?" + login.partition("?")[2]).location == wanted


def test_without_a_password_there_are_no_pages(engine):
    with serving(engine) as closed:
        for path in ("/admin", "/admin/", "/admin/login", "/admin/jobs"):
            answer = closed.client.get(path)
            assert (answer.status_code, answer.json["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/admin/login", "/admin/jobs", "/admin/nowhere", f"/admin/jobs/{SOME_ID}"]
)
def test_every_page_is_hardened(service, path):
    headers = operator(service).get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    for directive in ("base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert directive in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_photos_of_others_are_allowed_on_the_page_of_a_job_alone(service):
    pages = operator(service)
    policies = [
        pages.get(path).headers["Content-Security-Policy"]
        for path in ("/admin/jobs", f"/admin/jobs/{service.job()}")
    ]
    assert ["https:" in policy for policy in policies] == [False, True]


def test_an_unknown_page_is_a_page_too(service):
    answer = operator(service).get("/admin/nowhere")
    assert answer.status_code == 404
    assert "There is no such page." in answer.text
    assert answer.mimetype == "text/html"


def test_a_fault_of_the_service_names_the_request_to_quote(service):
    pages = operator(service)
    service.job()
    service.run("UPDATE batch_jobs SET status = 'nonsense'")
    answer = pages.get("/admin/jobs", **{"X-Request-Id": "quote-me-7"})
    assert answer.status_code == 500
    assert "X-Request-Id: <code>quote-me-7</code></p>" in answer.text
    assert "X-Request-Id" not in pages.get("/admin/nowhere").text


def test_a_static_file_is_taken_for_nothing_else(service):
    with service.client.get("/static/style.css") as answer:
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_form_may_not_be_large(service):
    pages = operator(service)
    assert pages.post("/admin/logout", more="x" * 300_000).status_code == 413
    assert pages.is_in()
