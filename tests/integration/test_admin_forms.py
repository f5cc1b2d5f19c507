"""Forms that are sent from within a page when their session has ended, or is a new one."""

import re

import pytest

from tests.integration.api_service import serving
from tests.integration.operator_client import PASSWORD, operator


@pytest.fixture
def service(engine):
    with serving(engine, admin_password=PASSWORD) as started:
        yield started


def send_within(pages, path, **fields):
    """Send a form as htmx does, which puts the answer into the page."""
    headers = {"HX-Request": "true"}
    return pages.client.post(path, data=fields, headers=headers, base_url="http://localhost")


def test_a_form_within_a_page_stays_there_when_the_session_is_over(service):
    pages = operator(service)
    token = pages.token()
    service.run("DELETE FROM admin_sessions")
    answer = send_within(pages, "/admin/try", csrf_token=token)
    assert answer.status_code == 401
    assert "HX-Redirect" not in answer.headers
    assert '<p class="reason">Your session is over. Log in in another tab' in answer.text


def test_a_form_within_a_page_gets_the_token_of_the_new_session(service):
    pages = operator(service)
    former = pages.token()
    pages.log_in()
    refused = send_within(pages, "/admin/logout", csrf_token=former)
    assert refused.status_code == 400
    (fresh,) = re.findall(r'name="csrf_token" value="([^"]+)"', refused.text)
    assert send_within(pages, "/admin/logout", csrf_token=fresh).location == "/admin/login"


def test_a_whole_page_that_refuses_a_form_has_no_token(service):
    assert "csrf_token" not in operator(service).post_bare("/admin/logout").text
