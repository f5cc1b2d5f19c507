"""`jobs reingest`: answers that were paid for and never recorded are brought in, none paid anew."""

import pytest

from generation_service.core.rescue import Fate
from generation_service.core.status import JobStatus
from generation_service.pipeline.cancel import cancel
from tests.integration.operator import batches, done, newest, read, refused
from tests.integration.stages import CLIENT, STAGES, go_on, stages
from tests.servers import LoopbackServer, Reply


@pytest.fixture
def receiver():
    with LoopbackServer({"/hook": Reply()}) as server:
        yield server


@pytest.fixture
def world(engine, receiver):
    with stages(engine, hosts=[receiver.port]) as running:
        yield running


def unreadable(world, **more):
    """OpenAI's files are gone, until the rules are cleared."""
    world.simulator.rules.add({"on": "content", "do": "status", "status": 404, **more})


def recovered(world):
    world.simulator.rules.clear()


@pytest.fixture
def lost(world, receiver):
    """A job that failed because no output file could be read, though they were paid for."""
    unreadable(world)
    lots = world.lots(3, webhook_url=receiver.url("/hook"))
    job = world.finish(world.accept(lots, ["en", "ru"]))
    recovered(world)
    assert job.status is JobStatus.FAILED
    return job.id


def answers(**counted):
    return {fate.value: 0 for fate in Fate} | counted


def test_answers_of_a_file_that_has_come_back_complete_the_job_in_a_new_run(world, lost):
    paid = world.billed()
    found = read(world, "jobs", "reingest", newest(world)["openai_id"])
    assert found["answers"] == answers(rescued=3)
    assert found["runs"] == [{"job_id": str(lost), "run": 2}]
    running = world.job(lost)
    assert (running.status, running.vision.failed) == (JobStatus.PROCESSING, 0)
    ended = world.finish(lost)
    assert (ended.status, ended.run, ended.lots_failed) == (JobStatus.COMPLETED, 2, 0)
    assert len(world.billed()) == len(paid) + 3  # the translations, which nobody had asked for
    assert "run 2" not in done(world, "jobs", "reingest", newest(world)["openai_id"])


def test_the_new_run_sends_its_webhooks(world, lost):
    world.deliver()
    done(world, "jobs", "reingest", newest(world)["openai_id"])
    world.finish(lost)
    world.deliver()
    runs = world.rows("SELECT run, status FROM webhook_deliveries ORDER BY run")
    assert [(row["run"], row["status"]) for row in runs] == [(1, "delivered"), (2, "delivered")]


def test_it_is_told_in_words(world, lost):
    batch = newest(world)
    said = done(world, "jobs", "reingest", batch["openai_id"])
    assert said.splitlines() == [
        f"OpenAI batch {batch['openai_id']} ended as completed with 3 usable answers.",
        "3 answers will be recorded by the service, in 1 job:",
        f"  {lost}, run 2",
    ]


def test_a_dry_run_tells_and_changes_nothing(world, lost):
    said = done(world, "jobs", "reingest", "--dry-run", newest(world)["openai_id"])
    assert "3 answers would be brought in" in said
    assert (world.job(lost).run, newest(world)["status"]) == (1, "settled")


def test_a_batch_that_was_given_up_as_vanished_and_ended_after_all(world):
    world.simulator.rules.add({"on": "retrieve", "do": "status", "status": 404})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    recovered(world)
    assert (job.status, newest(world)["openai_status"]) == (JobStatus.FAILED, "vanished")
    done(world, "jobs", "reingest", newest(world)["openai_id"])
    assert world.finish(job.id).status is JobStatus.COMPLETED
    assert len(world.billed()) == 2 * 3


def test_only_the_languages_that_were_lost_are_brought_in(world):
    job_id = world.accept(world.lots(2), ["en", "de", "ru"])
    world.run_until(lambda: world.job(job_id).vision.completed == 2)
    unreadable(world)
    assert world.finish(job_id).lots_failed == 2
    recovered(world)
    before = world.rows("SELECT id, damages FROM descriptions WHERE kind = 'vision'")
    found = read(world, "jobs", "reingest", newest(world)["openai_id"])
    assert found["answers"] == answers(rescued=4)
    assert world.job(job_id).status is JobStatus.TRANSLATING
    assert world.finish(job_id).lots_failed == 0
    assert world.rows("SELECT id, damages FROM descriptions WHERE kind = 'vision'") == before


def test_what_failed_for_other_reasons_stays_as_it_is(world):
    unreadable(world)
    gone = world.lot("gone", "/gone.jpg")
    job = world.finish(world.accept([*world.lots(2), gone], ["en", "ru"]))
    recovered(world)
    assert read(world, "jobs", "reingest", newest(world)["openai_id"])["answers"]["rescued"] == 2
    ended = world.finish(job.id)
    assert (ended.status, ended.lots_failed, ended.lots_settled) == (JobStatus.COMPLETED, 1, 3)
    assert [lot.status.value for lot in world.results(job.id)][-1] == "failed"


def test_a_lot_with_another_language_that_failed_for_good_is_failed_again(world):
    job_id = world.accept(world.lots(2), ["de", "ru"])
    world.run_until(lambda: world.job(job_id).vision.completed == 2)
    world.simulator.rules.add({"on": "line", "do": "refuse", "match": {"body": "Russian"}})
    world.run_until(lambda: world.job(job_id).translation.failed == 2)
    (settled,) = world.rows(
        "SELECT openai_id FROM openai_batches WHERE kind = 'translation' ORDER BY created_at"
    )
    world.execute(
        "UPDATE descriptions SET status = 'failed', error_code = 'openai_missing_line',"
        " damages = NULL WHERE language = 'de'"
    )
    world.execute(
        "UPDATE batch_jobs SET status = 'failed', lots_described = 0, translation_completed = 0,"
        " translation_failed = 4"
    )
    world.execute("UPDATE job_openai_batches SET completed = 0, failed = 4 WHERE failed = 2")
    found = read(world, "jobs", "reingest", settled["openai_id"])
    assert (found["answers"], found["without_a_text"]) == (answers(rescued=2), 2)
    ended = world.finish(job_id)
    assert (ended.status, ended.lots_failed) == (JobStatus.COMPLETED, 2)
    assert (ended.translation.completed, ended.translation.failed) == (2, 2)


def test_several_jobs_that_shared_a_batch_get_their_answers(world):
    unreadable(world)
    job_ids = [world.accept(world.lots(2), ["en"]) for _ in range(3)]
    for job_id in job_ids:
        world.finish(job_id)
    recovered(world)
    cancelled = world.accept(world.lots(2), ["en"])
    cancel(world.resources, CLIENT, cancelled)
    found = read(world, "jobs", "reingest", newest(world)["openai_id"])
    assert {run["job_id"] for run in found["runs"]} == set(map(str, job_ids))
    for job_id in job_ids:
        assert world.finish(job_id).status is JobStatus.COMPLETED


def test_requests_that_were_queued_again_meanwhile_are_left(world):
    unreadable(world)
    job_id = world.accept(world.lots(2), ["en"])
    world.run_until(lambda: "settled" in {row["status"] for row in batches(world)})
    recovered(world)
    first = batches(world)[0]
    assert read(world, "jobs", "reingest", first["openai_id"])["answers"] == answers(under_way=2)
    assert "queued or submitted again" in done(world, "jobs", "reingest", first["openai_id"])
    assert batches(world)[0]["status"] == "settled"
    assert world.finish(job_id).run == 1


def test_attempts_that_were_given_up_before_the_last_are_left(world, lost):
    found = read(world, "jobs", "reingest", batches(world)[0]["openai_id"])
    assert (found["answers"], found["runs"]) == (answers(superseded=3), [])
    assert world.job(lost).run == 1


def test_a_cancelled_job_stays_cancelled(world, lost):
    world.execute("UPDATE batch_jobs SET status = 'cancelled'")
    found = read(world, "jobs", "reingest", newest(world)["openai_id"])
    assert found["answers"] == answers(cancelled=3)
    assert world.job(lost).status is JobStatus.CANCELLED


def test_lines_that_are_in_no_file_cannot_be_brought_in(world):
    world.simulator.rules.add({"on": "line", "do": "missing"})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert done(world, "jobs", "reingest", newest(world)["openai_id"]).splitlines()[1:] == [
        "Nothing is to be brought in."
    ]
    assert world.job(job.id).run == 1


def test_a_file_that_is_still_gone_is_named(world):
    world.simulator.rules.add({"on": "batch", "do": "lost_output"})
    world.finish(world.accept(world.lots(2), ["en"]))
    found = read(world, "jobs", "reingest", newest(world)["openai_id"])
    assert found["lost_files"] == [newest(world)["output_file_id"]]


def test_our_own_id_will_do_also_for_a_batch_whose_name_was_never_learnt(world, lost):
    batch = newest(world)
    world.execute("UPDATE openai_batches SET openai_id = NULL")
    done(world, "jobs", "reingest", str(batch["id"]))
    assert newest(world)["openai_id"] == batch["openai_id"]
    assert world.finish(lost).status is JobStatus.COMPLETED


def test_openai_s_id_will_do_for_a_batch_whose_name_was_never_learnt(world, lost):
    batch = newest(world)
    world.execute("UPDATE openai_batches SET openai_id = NULL")
    done(world, "jobs", "reingest", batch["openai_id"])
    assert world.finish(lost).status is JobStatus.COMPLETED


def test_an_openai_that_does_not_answer_changes_nothing(world, lost):
    world.simulator.rules.add({"on": "content", "do": "cut_content"})
    said = refused(world, "jobs", "reingest", newest(world)["openai_id"])
    assert said.startswith("Error: OpenAI gave no answer that helps")
    assert world.job(lost).run == 1


def test_whoever_comes_second_finds_it_under_way(world, lost):
    openai_id = newest(world)["openai_id"]
    done(world, "jobs", "reingest", openai_id)
    assert "collecting" in refused(world, "jobs", "reingest", openai_id)
    for stage in STAGES:
        stage(world.resources, go_on)
    assert read(world, "jobs", "reingest", openai_id)["answers"] == answers(recorded=3)
    assert world.job(lost).run == 2
