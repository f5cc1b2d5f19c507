"""The operator's commands as they are run: processes of their own, beside the service or alone."""

import json
import os
import subprocess
import sys

from tests import running
from tests.acceptance.client import Client, lot

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def flask(environ, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=running.ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=running.BOOT_SECONDS,
        check=False,
    )


def read(environ, *arguments):
    """The JSON of a command that succeeds and says nothing else."""
    ran = flask(environ, *arguments, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def test_a_job_of_the_running_service_is_seen_and_retried(service, simulator, photos):
    client = Client(service)
    simulator.add_rule(on="line", do="refuse", times=1)
    job_id = client.job([lot(f"lot-{n}", photos.url("/1.jpg")) for n in range(2)])
    assert client.finished(job_id)["progress"]["failed_lots"] == 1
    assert job_id in [job["job_id"] for job in read(service.environ, "jobs", "list")["jobs"]]
    (failed,) = read(service.environ, "jobs", "show", job_id)["failed"]
    assert failed["error"]["code"] == "openai_refused"
    assert read(service.environ, "jobs", "retry", job_id)["run"] == 2
    assert client.finished(job_id)["progress"]["failed_lots"] == 0


def test_openai_is_reconciled_beside_the_running_service(service, photos):
    client = Client(service)
    client.finished(client.job([lot(f"lot-{n}", photos.url("/1.jpg")) for n in range(2)]))
    found = read(service.environ, "openai", "reconcile")
    assert (found["strangers"], found["duplicates"]) == ([], [])
    assert found["deleted_files"]


def test_they_share_the_embedded_database_with_the_service(tmp_path, simulator, photos):
    environ = {
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
        "DATABASE_URL": "",
        "WEB_CONCURRENCY": "1",
    }
    with running.service(tmp_path, environ) as service:
        job_id = Client(service).job([lot(f"lot-{n}", photos.url("/1.jpg")) for n in range(2)])
        (job,) = read(service.environ, "jobs", "list")["jobs"]
        assert job["job_id"] == job_id
        assert Client(service).finished(job_id)["status"] == "completed"


def test_refusals_and_wrong_usage_have_exit_codes_of_their_own(database_url):
    environ = {
        "DATABASE_URL": database_url,
        "SHARED_KEY": running.SHARED_KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{running.free_port()}",
    }
    unknown = flask(environ, "jobs", "show", UNKNOWN)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "Error: There is no job with this id.\n"
    assert flask(environ, "jobs", "show", "no-uuid").returncode == 2
    unreachable = flask(environ, "openai", "reconcile")
    assert (unreachable.returncode, unreachable.stdout) == (1, "")
    assert unreachable.stderr.startswith("Error: OpenAI gave no answer that helps: ")
