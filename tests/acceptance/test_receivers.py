"""The receivers to copy, each run as its users run it and told by the service itself."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial

import pytest

from generation_service.core.webhooks import headers, signer
from tests import leash, running
from tests.acceptance.client import Client, lot, sign
from tests.waiting import until

RECEIVERS = running.ROOT / "examples" / "receivers"
COMMANDS = {
    "python": lambda port: [sys.executable, RECEIVERS / "receiver.py", port],
    "node": lambda port: [shutil.which("node"), RECEIVERS / "receiver.mjs", port],
    "php": lambda port: [
        shutil.which("php"),
        "-S",
        f"127.0.0.1:{port}",
        RECEIVERS / "receiver.php",
    ],
}
PORTS = {name: running.free_port() for name in COMMANDS}
LANGUAGES = [
    pytest.param(
        name, marks=pytest.mark.skipif(shutil.which(tool) is None, reason=f"not installed: {tool}")
    )
    for name, tool in (("python", sys.executable), ("node", "node"), ("php", "php"))
]
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = json.dumps({"job_id": "j", "lots": [{"lot_id": "a", "status": "completed"}]}).encode()


@pytest.fixture(scope="module")
def service(folder, database_url, simulator, photos):
    allowed = [photos.port, *PORTS.values()]
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": ",".join(f"127.0.0.1:{port}" for port in allowed),
    }
    with running.service(folder, environ) as started:
        yield started


@contextmanager
def started(language, folder, **environ):
    """A receiver that answers, with its inbox in `folder`; its URL."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            list(map(str, COMMANDS[language](PORTS[language]))),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "SHARED_KEY": running.SHARED_KEY, **environ},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    leash.hold(process.pid)
    url = f"http://127.0.0.1:{PORTS[language]}/"
    try:
        until(partial(_speaks, url), what=f"the receiver in {language} answers")
        yield url
    finally:
        running.Process(process, folder / "log").kill()


def _speaks(url):
    try:
        return running.get(url)[0] in (413, 501)
    except OSError:
        return False


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
def receiver(language, tmp_path):
    with started(language, tmp_path) as url:
        yield url


def kept(folder):
    return sorted((folder / "inbox").glob("*.json"))


def signed(body=BODY, *, delivery_id="one", age=0, secret=None):
    signed_by = signer(running.SHARED_KEY, secret)
    then = int(time.time()) - age
    return headers(
        body=body, signed_by=signed_by, delivery_id=delivery_id, timestamp=then, attempt=1
    )


def redelivered(service, job_id, delivery_id):
    """The status of asking that a delivery is sent again."""
    key = {"X-Signature": sign(service.shared_key, job_id.encode())}
    path = f"/api/v1/batch-jobs/{job_id}/deliveries/{delivery_id}/redeliver"
    return running.post(service.base_url + path, b"", key)[0]


def test_what_the_service_sends_is_kept_once_and_worked(service, photos, receiver, tmp_path):
    client = Client(service)
    job_id = client.job([lot(f"lot-{n}", photos.url("/1.jpg"), webhook=receiver) for n in "ab"])
    (file,) = until(lambda: kept(tmp_path), what="the delivery is kept")
    assert [each["lot_id"] for each in json.loads(file.read_bytes())["lots"]] == ["lot-a", "lot-b"]
    (delivery,) = until(
        lambda: [each for each in client.deliveries(job_id) if each["status"] == "delivered"],
        what="the delivery counts as delivered",
    )
    assert delivery["attempt_count"] == 1
    assert delivery["delivery_id"] == file.stem
    assert redelivered(service, job_id, file.stem) == 202
    again = until(lambda: client.deliveries(job_id)[0]["attempts"][1:], what="it is sent again")
    assert (again[0]["status_code"], again[0]["response"]) == (200, "kept before")
    assert kept(tmp_path) == [file]


@pytest.mark.parametrize("language", LANGUAGES[:2])
def test_what_was_kept_is_worked_afterwards(language, tmp_path):
    with started(language, tmp_path) as url:
        assert running.post(url, BODY, signed()) == (200, b"kept")
        until((tmp_path / "inbox" / "one.done").exists, what="it is worked")
    assert "j a completed" in (tmp_path / "log").read_text()


@pytest.mark.skipif(shutil.which("php") is None, reason="not installed: php")
def test_php_works_what_was_kept_when_it_is_run(tmp_path):
    with started("php", tmp_path) as url:
        assert running.post(url, BODY, signed()) == (200, b"kept")
    for told in ("j a completed\n", ""):
        ran = subprocess.run(
            ["php", RECEIVERS / "receiver.php"], cwd=tmp_path, capture_output=True, check=True
        )
        assert ran.stdout.decode() == told


def test_a_delivery_that_comes_again_after_a_restart_is_known(language, tmp_path):
    with started(language, tmp_path) as url:
        assert running.post(url, BODY, signed()) == (200, b"kept")
    with started(language, tmp_path) as url:
        assert running.post(url, BODY, signed()) == (200, b"kept before")


def test_what_is_not_genuine_is_refused(receiver, tmp_path):
    good = signed()
    bad = [
        {},
        {**good, "X-Signature": "sha256=" + "0" * 64},
        {**good, "X-Signature": "sha256=ж".encode().decode("latin-1")},
        {**good, "webhook-signature": "v1,AAAA"},
        {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) - 1)},
        {**good, "webhook-timestamp": "soon"},
        {**good, "webhook-id": "another"},
        signed(age=400),
        signed(BODY + b" "),
        signed(delivery_id="../one"),
    ]
    assert [running.post(receiver, BODY, each)[0] for each in bad] == [403] * len(bad)
    assert kept(tmp_path) == []


def test_a_secret_of_its_own_counts_where_there_is_one(language, tmp_path):
    with started(language, tmp_path, WEBHOOK_SECRET=SECRET) as url:
        assert running.post(url, BODY, signed())[0] == 403
        assert running.post(url, BODY, signed(secret=SECRET))[0] == 200
