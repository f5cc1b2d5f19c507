"""Log lines, for machines and for people: one an event, and nothing in them begins another."""

import io
import json
import logging
import re
from contextlib import contextmanager
from threading import Thread

import pytest
import structlog
from structlog.contextvars import bound_contextvars, clear_contextvars

from generation_service.telemetry.logs import configure_logs, in_context

EVIL = "x\n2026-01-01 [error] forged\r\x1b[2J\x1b]0;title\x07\x9b31m\u2028\u202egnp.exe\x00"
DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@contextmanager
def logging_to(stream, form):
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    configure_logs("INFO", form, stream)
    clear_contextvars()  # what an earlier test of this thread has bound
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)


@pytest.fixture(params=["json", "console"])
def out(request):
    """What is logged, in either form, until the test ends."""
    with logging_to(io.StringIO(), request.param) as stream:
        yield stream


def log():
    return structlog.get_logger().bind()


def test_nothing_that_strangers_write_begins_a_line_or_moves_the_cursor(out):
    log().info("event", path=EVIL, list=[EVIL])
    written = out.getvalue()
    assert written.count("\n") == 1
    assert DANGEROUS.search(written.rstrip("\n")) is None


def test_a_library_s_words_do_not_either(out):
    logging.getLogger("some.library").warning("met %s", EVIL)
    written = out.getvalue()
    assert written.count("\n") == 1
    assert DANGEROUS.search(written.rstrip("\n")) is None


def test_the_words_of_an_exception_move_no_cursor(out):
    log().error("failed", exc_info=ValueError(EVIL))
    written = out.getvalue()
    assert "ValueError" in written
    assert DANGEROUS.search(written.replace("\n", "")) is None


def test_the_variables_of_a_failed_function_are_not_shown(out):
    def failing():
        secret = str(["only-in-a-variable"]).replace("only-in-a", "only in a")
        raise ValueError(len(secret))

    try:
        failing()
    except ValueError:
        log().exception("failed")
    assert "Traceback" in out.getvalue()
    assert "only in a-variable" not in out.getvalue()


def test_ids_that_are_bound_stand_in_every_line(out):
    with bound_contextvars(job="job-1", stage="probe"):
        log().info("one")
        logging.getLogger("some.library").warning("two")
    assert out.getvalue().count("job-1") == 2


def test_another_thread_s_lines_carry_the_ids_of_who_began_it(out):
    with bound_contextvars(request_id="request-1"):
        thread = Thread(target=in_context(log().info), args=["from there"])
    thread.start()
    thread.join()
    assert "request-1" in out.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "coloured"), [(Terminal(), True), (io.StringIO(), False)])
def test_colours_are_for_terminals(stream, coloured):
    with logging_to(stream, "console"):
        log().info("event")
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_line_for_machines_is_an_object():
    with logging_to(io.StringIO(), "json") as stream:
        log().warning("event", number=1)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["number"]) == ("event", "warning", 1)
    assert line["timestamp"].endswith("Z")


def test_a_line_for_people_begins_with_time_and_level():
    with logging_to(io.StringIO(), "console") as stream:
        log().warning("event", number=1)
    assert re.match(r"\S+Z \[warning\s*\] event\s+number=1\n", stream.getvalue())
