"""`jobs list | show | retry | cancel`: what the operator sees and does, whoever's job it is."""

from uuid import uuid4

import pytest

from generation_service.core.status import JobStatus
from tests.integration.operator import done, read, refused, run
from tests.integration.stages import stages
from tests.servers import LoopbackServer, Reply

NOBODY = str(uuid4())


@pytest.fixture
def receiver():
    with LoopbackServer({"/hook": Reply()}) as server:
        yield server


@pytest.fixture
def world(engine, receiver):
    with stages(engine, hosts=[receiver.port]) as running:
        yield running


@pytest.fixture
def refused_lot(world, receiver):
    """A job of two lots that has ended; the model refused to describe the first."""
    world.simulator.rules.add({"on": "line", "do": "refuse", "text": "Not me.", "times": 1})
    lots = world.lots(2, webhook_url=receiver.url("/hook"))
    return world.finish(world.accept(lots, ["en", "ru"])).id


def test_jobs_are_listed_newest_first_with_what_they_have_come_to(world, refused_lot):
    newer = world.accept(world.lots(3))
    listed = read(world, "jobs", "list")
    assert [job["job_id"] for job in listed["jobs"]] == [str(newer), str(refused_lot)]
    assert [(job["status"], job["failed_lots"]) for job in listed["jobs"]] == [
        ("pending", 0),
        ("completed", 1),
    ]
    table = done(world, "jobs", "list").splitlines()
    assert " ".join(table[0].split()) == "JOB CLIENT STATUS RUN SETTLED FAILED LOTS CREATED"
    assert table[1].split()[:7] == [str(newer), "default", "pending", "1", "0", "0", "3"]


def test_the_list_is_narrowed_and_says_how_many_it_leaves_out(world):
    *_, acme_s = [world.accept(world.lots(2)) for _ in range(3)]
    world.execute(f"UPDATE batch_jobs SET client = 'acme' WHERE id = '{acme_s}'")
    assert len(read(world, "jobs", "list", "--client", "acme")["jobs"]) == 1
    assert read(world, "jobs", "list", "--status", "failed") == {"jobs": [], "total": 0}
    result = run(world, "jobs", "list", "--limit", "2")
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr == "2 of 3 jobs; --limit shows more.\n"


def test_a_job_is_shown_with_what_failed_and_why(world, refused_lot):
    world.deliver()
    shown = read(world, "jobs", "show", str(refused_lot))
    assert (shown["total_lots"], shown["settled_lots"], shown["failed_lots"]) == (2, 2, 1)
    assert shown["stages"]["vision"] == {"total": 2, "completed": 1, "failed": 1}
    assert [batch["kind"] for batch in shown["openai_batches"]] == ["translation", "vision"]
    (failed,) = shown["failed"]
    assert (failed["lot_id"], failed["error"]["code"]) == ("lot-0", "openai_refused")
    assert [each["language"] for each in failed["failed_languages"]] == ["en", "ru"]
    assert shown["deliveries"] == [
        {"run": 1, "status": "delivered", "deliveries": 1, "error_message": None}
    ]


def test_a_job_is_shown_in_tables_for_people(world, refused_lot):
    shown = done(world, "jobs", "show", str(refused_lot)).splitlines()
    (stage,) = [line for line in shown if line.startswith("vision ")]
    assert stage.split() == ["vision", "2", "1", "1"]
    (failed,) = [line for line in shown if line.startswith("lot-0 ")]
    assert failed.split() == ["lot-0", "openai_refused", "en,", "ru", "Not", "me."]


def test_of_many_failed_lots_the_first_twenty_are_shown(world):
    world.simulator.rules.add({"on": "line", "do": "refuse"})
    job = world.finish(world.accept(world.lots(23), ["en"]))
    assert len(read(world, "jobs", "show", str(job.id))["failed"]) == 20
    assert "… and 3 lots more.\n" in done(world, "jobs", "show", str(job.id))


def test_a_retry_begins_a_run_that_describes_what_failed(world, refused_lot):
    said = done(world, "jobs", "retry", str(refused_lot))
    assert said == f"Job {refused_lot} has begun its run 2 with 1 lot that had failed.\n"
    assert world.finish(refused_lot).lots_failed == 0


def test_a_job_of_any_client_is_cancelled(world):
    job_id = world.accept(world.lots(2))
    world.execute("UPDATE batch_jobs SET client = 'acme'")
    assert done(world, "jobs", "cancel", str(job_id)) == (
        f"Job {job_id} of client acme is cancelled.\n"
    )
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_what_cannot_be_done_is_refused_in_a_sentence(world, refused_lot):
    assert "Current status: completed" in refused(world, "jobs", "cancel", str(refused_lot))
    running = str(world.accept(world.lots(2)))
    assert "retry what failed" in refused(world, "jobs", "retry", running)


@pytest.mark.parametrize("command", ["show", "retry", "cancel"])
def test_an_unknown_job_is_named_as_such(world, command):
    assert refused(world, "jobs", command, NOBODY) == "Error: There is no job with this id."


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs", "show", "no-uuid"],
        ["jobs", "show"],
        ["jobs", "list", "--status", "lost"],
        ["jobs", "list", "--limit", "0"],
        ["jobs", "reingest"],
        ["jobs", "burn"],
        ["openai", "reconcile", "everything"],
    ],
)
def test_wrong_usage_is_told_apart(world, arguments):
    assert run(world, *arguments).exit_code == 2


def test_a_database_that_is_away_is_told_in_a_sentence(engine):
    with stages(engine) as world:
        world.execute("ALTER TABLE batch_jobs RENAME TO mislaid")
        try:
            result = run(world, "jobs", "list")
        finally:
            world.execute("ALTER TABLE mislaid RENAME TO batch_jobs")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database can't be used: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("list", "--client", "\udcff"),
        ("list", "--limit", "0"),
        ("show", "\udcff"),
        ("reingest", ""),
        ("reingest", ".."),
        ("reingest", "\udcff"),
        ("reingest", "x" * 5_000),
    ],
)
def test_what_can_be_no_argument_is_wrong_usage(world, wrong):
    result = run(world, "jobs", *wrong)
    assert result.exit_code == 2
    assert "Error: Invalid value for" in result.stderr
