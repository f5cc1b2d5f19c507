"""A single lot's bill is booked once the database is back, and never twice."""

from contextlib import contextmanager

import pytest
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.lanes import Lane
from generation_service.core.prices import usd
from generation_service.core.status import Kind
from generation_service.pipeline import measure
from generation_service.pipeline.unbooked import Unbooked
from generation_service.telemetry import families
from tests.integration.api_service import serving
from tests.integration.saboteur import Fault, Saboteur
from tests.integration.stages import go_on
from tests.integration.test_idempotency_sync import CHAT, running
from tests.integration.test_money_sync import VISION, answered, booked, openai_bills
from tests.servers import Reply

ANSWER = 600 * 1_000 + 400 * 50 + 100 * 5_000  # nanodollars
REFUSED = answered(finish="content_filter")
DISK_FULL = "RAISE 'no space left' USING ERRCODE = '53100';"
CUT = "PERFORM pg_terminate_backend(pg_backend_pid());"


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


@contextmanager
def books_closed(service, fault, *, at_commit=False):
    """Whoever books anything meets the fault: at the statement, or only at the commit."""
    service.run(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {fault} RETURN NEW; END $$"
    )
    kind, time, when = ("", "BEFORE", "")
    if at_commit:
        kind, time, when = ("CONSTRAINT", "AFTER", "DEFERRABLE INITIALLY DEFERRED")
    service.run(
        f"CREATE {kind} TRIGGER fail {time} INSERT ON usage_hours {when}"
        " FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    try:
        with capture_logs() as logged:
            yield logged
    finally:
        service.run("DROP TRIGGER fail ON usage_hours")
        service.run("DROP FUNCTION fail")


def told(logged, event):
    (line,) = [line for line in logged if line["event"] == event]
    return line["booked"], line["prompt_tokens"], line["completion_tokens"], line["cost_usd"]


def back_again(service):
    """The database is back, and what the process remembers is written down, once."""
    for _ in range(2):
        measure.tick(service.app.extensions["resources"], go_on)


def cost(service):
    found = booked(service)
    return found[VISION].charge.cost_nanos if found else 0


def counted():
    return sum(
        sample.value
        for family in families.COST.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


@pytest.mark.parametrize("fault", [DISK_FULL, CUT], ids=["disk_full", "cut"])
def test_the_bill_of_a_refusal_is_booked_when_the_database_is_back(service, fault):
    openai_bills(service, REFUSED)
    before = counted()
    with books_closed(service, fault) as logged:
        assert service.generate(service.lot()).status_code == 500
    assert told(logged, "request_not_released") == ("later", 1_000, 100, usd(ANSWER))
    assert cost(service) == 0
    back_again(service)
    assert cost(service) == ANSWER
    assert counted() - before == pytest.approx(ANSWER / 10**9)


def test_the_bill_of_an_answer_that_was_not_kept_is_booked_when_the_database_is_back(service):
    openai_bills(service, answered())
    with books_closed(service, DISK_FULL) as logged:
        assert service.generate(service.lot()).status_code == 200
    assert told(logged, "answer_not_kept") == ("later", 1_000, 100, usd(ANSWER))
    back_again(service)
    assert cost(service) == ANSWER


def test_what_may_be_booked_is_told_and_not_booked_again(service):
    """The connection is cut at the commit: nobody knows whether it was done."""
    openai_bills(service, REFUSED)
    with books_closed(service, CUT, at_commit=True) as logged:
        assert service.generate(service.lot()).status_code == 500
    assert told(logged, "request_not_released") == ("perhaps", 1_000, 100, usd(ANSWER))
    back_again(service)
    assert cost(service) == 0


def test_what_still_cannot_be_booked_is_remembered_further(service):
    openai_bills(service, REFUSED)
    with books_closed(service, DISK_FULL):
        service.generate(service.lot())
        for _ in range(2):
            with pytest.raises(SQLAlchemyError):
                measure.tick(service.app.extensions["resources"], go_on)
    back_again(service)
    assert cost(service) == ANSWER


def test_a_late_booking_that_may_be_done_is_not_repeated(service):
    openai_bills(service, REFUSED)
    with books_closed(service, DISK_FULL):
        service.generate(service.lot())
    with books_closed(service, CUT, at_commit=True) as logged, pytest.raises(SQLAlchemyError):
        measure.tick(service.app.extensions["resources"], go_on)
    assert told(logged, "bills_not_booked") == ("perhaps", 1_000, 100, usd(ANSWER))
    back_again(service)
    assert cost(service) == 0


def test_the_bill_of_a_request_that_lost_its_lease_is_booked(service):
    with running(service):
        service.run("DELETE FROM idempotency_keys")
    assert service.rows("idempotency_keys") == 0
    assert booked(service)[VISION].charge.prompt_tokens == 1


def test_no_bill_no_word_of_it(service):
    service.outside.replies["/photo.png"] = Reply(status=404)
    with books_closed(service, DISK_FULL) as logged:
        assert service.generate(service.lot()).status_code == 400
    assert [line for line in logged if "booked" in line] == []


@pytest.mark.parametrize("reply", [answered(), REFUSED], ids=["answer", "refusal"])
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.UNTOLD, Fault.DISK_FULL])
def test_whatever_fails_a_bill_is_booked_once(service, fault, reply):
    """At each statement and commit; but for one lost commit each is booked, and none twice."""
    saboteur = Saboteur(service.engine, fault)
    service.outside.replies[CHAT] = reply
    struck = None
    while struck != "":
        service.run("DELETE FROM idempotency_keys")
        service.run("DELETE FROM usage_hours")
        asked = service.outside.hits(CHAT)
        with saboteur.attempt("order"):
            service.generate(service.lot())
        struck = saboteur.struck
        back_again(service)
        paid = (service.outside.hits(CHAT) - asked) * ANSWER
        lost = fault is Fault.CUT and "COMMIT after INSERT INTO usage_hours" in " ".join(
            struck.split()
        )
        assert cost(service) in ({0, paid} if lost and reply is REFUSED else {paid}), struck


def test_bills_of_an_account_add_up():
    accounts = [
        Account(client, Kind.VISION, Lane.SYNC, "gpt", simulated=False) for client in ("a", "b")
    ]
    one = Tally(1, 0, Charge(prompt_tokens=10, completion_tokens=2, cost_nanos=7))
    unbooked = Unbooked()
    for account in (*accounts, accounts[0]):
        unbooked.add({account: one})
    two = Tally(2, 0, Charge(prompt_tokens=20, completion_tokens=4, cost_nanos=14))
    assert unbooked.take() == {accounts[0]: two, accounts[1]: one}
    assert unbooked.take() == {}
