"""Every failure leaves in the one error shape, and without anything internal."""

import pytest
from flask import Flask
from psycopg2.errors import QueryCanceled
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from generation_service.api import errors, responses
from generation_service.core.errors import ServiceError

LATE = OperationalError("SELECT secret", {"key": "secret"}, QueryCanceled("statement timeout"))


def answer_to(error, path="/raise", **options):
    """What a client reads when a route raises `error`."""
    app = Flask(__name__)
    responses.install(app)
    errors.install(app)

    @app.get("/raise")
    def fail():
        raise error

    return app.test_client().open(path, **options)


def test_a_service_error_has_code_and_message():
    answer = answer_to(ServiceError("not_found", "There is no job with this id."))
    assert answer.status_code == 404
    assert answer.json == {"error": "not_found", "message": "There is no job with this id."}


def test_details_are_cut_at_20_and_the_others_counted():
    details = [(f"lots[{n}]", "Wrong.") for n in range(25)]
    answer = answer_to(ServiceError("invalid_request", "Wrong.", details=details)).json
    assert answer["details"][:1] == [{"path": "lots[0]", "message": "Wrong."}]
    assert (len(answer["details"]), answer["more"]) == (20, 5)


def test_up_to_20_details_need_no_more():
    answer = answer_to(ServiceError("invalid_request", "Wrong.", details=[("lots", "Wrong.")]))
    assert "more" not in answer.json


def test_the_error_of_cancelling_keeps_its_words():
    error = ServiceError("job_not_cancellable", "Only …", extra={"status": "completed"})
    assert answer_to(error).json == {
        "error": "Job cannot be cancelled",
        "code": "job_not_cancellable",
        "status": "completed",
        "message": "Only …",
    }


def test_retry_after_is_a_header():
    answer = answer_to(ServiceError("busy", "Later.", retry_after=7))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


def test_a_401_names_its_scheme():
    answer = answer_to(ServiceError("invalid_signature", "Sign."))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "X-Signature")


def test_an_unknown_path_is_a_json_404():
    answer = answer_to(None, "/nowhere")
    assert (answer.status_code, answer.json["error"]) == (404, "not_found")


def test_a_wrong_method_is_a_json_405_that_names_the_right_ones():
    answer = answer_to(None, method="DELETE")
    assert (answer.status_code, answer.json["error"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("error", [LATE, PoolTimeoutError("no connection")])
def test_a_database_in_trouble_is_a_503_to_try_again(error):
    answer = answer_to(error)
    assert (answer.status_code, answer.json["error"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("error", [LATE, ValueError("secret"), RecursionError("secret")])
def test_nothing_internal_leaves(error):
    answer = answer_to(error)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_fault_of_ours_is_a_500_and_its_trace_is_logged_with_the_request_id(capsys):
    answer = answer_to(ValueError("a bug"), headers={"X-Request-Id": "order-7"})
    assert (answer.status_code, answer.json["error"]) == (500, "internal_error")
    log = capsys.readouterr().out
    assert "a bug" in log
    assert "request_id=order-7" in log


@pytest.mark.parametrize("sane", ["order-7", "A.b_c-9", "x" * 128])
def test_a_sane_request_id_comes_back(sane):
    assert answer_to(None, "/", headers={"X-Request-Id": sane}).headers["X-Request-Id"] == sane


@pytest.mark.parametrize("insane", ["", "x" * 129, "a b", "é", "a;b"])
def test_another_one_is_replaced(insane):
    sent = {"X-Request-Id": insane}
    given = answer_to(None, "/", headers=sent).headers["X-Request-Id"]
    assert len(given) == 32
    assert given != answer_to(None, "/", headers=sent).headers["X-Request-Id"]


def test_long_answers_are_packed_for_those_who_take_gzip():
    details = [("lots", "x" * 100)] * 20
    error = ServiceError("invalid_request", "Wrong.", details=details)
    plain = answer_to(error)
    packed = answer_to(error, headers={"Accept-Encoding": "gzip;q=0.5"})
    refused = answer_to(error, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 5
    assert "Content-Encoding" not in refused.headers
    assert packed.headers["Vary"] == refused.headers["Vary"] == "Accept-Encoding"
