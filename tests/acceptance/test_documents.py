"""Every command of the documents is run here, or run elsewhere, or has a reason not to be.

A page's bash blocks are run from top to bottom in one shell, in a folder like a checkout, against a
running service, but for the lines that are named below.
"""

import os
import re
import shutil
import subprocess

import pytest

from generation_service.db.embedded_files import find_binaries
from tests import database, leash, running
from tests.acceptance.client import Client, lot
from tests.structure.documents import ROOT, blocks, pages

# A line of a document -> the file that runs it, and the words by which it does.
RUN_ELSEWHERE = {
    "make lint": (".ci/run", "make lint"),
    "make test": (".ci/run", "make test"),
    "make demo": (".ci/run", "demo DEMO_EXIT=1"),
    "make run": ("tests/acceptance/test_demo.py", '"-m", "demo.serve"'),
    "ALLOWED_PRIVATE_HOSTS=127.0.0.1:8001,127.0.0.1:8002 make run": (
        "tests/acceptance/test_demo.py",
        '"-m", "demo.serve"',
    ),
    "gunicorn -c gunicorn.conf.py wsgi:app": (
        "tests/running.py",
        '"gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"',
    ),
    "pip install -r requirements.txt": ("Makefile", "$(PIP) -r requirements.txt"),
    ".venv/bin/pip install -r requirements.txt": ("Makefile", "$(PIP) -r requirements.txt"),
    "python3 -m venv .venv": ("Makefile", "-m venv .venv"),
    'nginx -t -c "$PWD/docs/operations/nginx.conf"': (
        "tests/acceptance/test_proxies.py",
        '"nginx", "-t"',
    ),
    "haproxy -c -f docs/operations/haproxy.cfg": (
        "tests/acceptance/test_proxies.py",
        '"haproxy", "-c"',
    ),
    "systemd-analyze verify /etc/systemd/system/generation-service.service": (
        "tests/structure/test_deployment.py",
        '"systemd-analyze", "verify"',
    ),
    "flask --app wsgi jobs retry JOB_ID": ("tests/acceptance/test_commands.py", '"jobs", "retry"'),
    "flask --app wsgi jobs cancel JOB_ID": ("tests/integration/test_cli_jobs.py", '"cancel"'),
    "flask --app wsgi jobs reingest OPENAI_BATCH_ID": (
        "tests/integration/test_cli_jobs.py",
        '"reingest"',
    ),
}
_ENGINE = "needs a container engine; tests/structure/test_deployment.py runs what is copied"
_MACHINE = "changes the machine it runs on"
NOT_RUN = {
    "make bench": "takes minutes, and its figures need a machine of their own",
    "make chaos": "takes as long as you let it; tests/acceptance/test_crashes.py has its moments",
    "docker compose up --detach --build": _ENGINE,
    "docker compose logs --follow service": _ENGINE,
    "cd /opt/generation-service": _MACHINE,
    "install -m 600 .env.example /etc/generation-service.env": _MACHINE,
    "cp docs/operations/generation-service.service /etc/systemd/system/": _MACHINE,
    "systemctl enable --now generation-service": _MACHINE,
}
NEEDED = ("bash", "curl", "jq", "openssl")
MISSING = [tool for tool in NEEDED if shutil.which(tool) is None]
PAGES = [page for page in pages() if blocks(page, "bash")]
SECONDS = 90


def names(page):
    return str(page.relative_to(ROOT))


def commands(text):
    """A block's lines without the remarks beside them."""
    return [re.sub(r"\s+# .*", "", line) for line in text.splitlines()]


def left_to_run(text):
    """What of a block is to be run here, as it stands."""
    lines = zip(text.splitlines(), commands(text), strict=True)
    return "\n".join(line for line, bare in lines if bare not in {**RUN_ELSEWHERE, **NOT_RUN})


@pytest.fixture(scope="module")
def ports():
    """The ports that the documents name, and the free ones that are used in their place."""
    return {port: running.free_port() for port in ("8001", "8002")}


@pytest.fixture(scope="module")
def service(folder, database_url, simulator, photos, ports):
    allowed = [photos.port, *ports.values()]
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": ",".join(f"127.0.0.1:{port}" for port in allowed),
        "WEBHOOK_RETRY_SECONDS": "0,0.2,0.2,0.2,0.2",
    }
    with running.service(folder, environ) as started:
        yield started


@pytest.fixture(scope="module")
def job_id(service, photos, ports):
    """A finished job that told a webhook; nobody listened."""
    client = Client(service)
    hook = f"http://127.0.0.1:{ports['8002']}/"
    job = client.job([lot(f"lot-{n}", photos.url("/1.jpg"), webhook=hook) for n in "ab"])
    client.finished(job)
    return job


@pytest.fixture
def checkout(tmp_path, service):
    """A folder with what a checkout has, and the key that `make run` would have kept."""
    for entry in ROOT.iterdir():
        if entry.name not in (".data", ".env", ".git"):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "shared-key").write_text(service.shared_key)
    lots = [{"lot_id": "1", "images": [{"url": "https://example.com/1.jpg"}]}]
    (tmp_path / "lots.json").write_text(str(lots).replace("'", '"'))
    return tmp_path


@pytest.fixture
def empty_database(server_url):
    with database.bare(server_url) as url:
        yield url


def placed(script, service, job_id, ports):
    """The script with this service's address and ports in the place of those of the documents."""
    for port, free in ports.items():
        script = re.sub(rf"\b{port}\b", str(free), script)
    script = script.replace("http://127.0.0.1:5000", service.base_url)
    plain = service.environ["DATABASE_URL"].replace("+psycopg2", "")
    script = script.replace("postgresql://user:password@host:5432/database", plain)
    script = script.replace("sk-…", "sk-test").replace("jobs show JOB_ID", f"jobs show {job_id}")
    return re.sub(r"sleep \d", "sleep 0.1", script)


def run(script, folder, environ):
    """Run a script with all that it leaves running, which ends with it; its code and output."""
    log = folder / "output.log"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    leash.hold(shell.pid)
    try:
        return shell.wait(timeout=SECONDS), log.read_text()
    finally:
        running.Process(shell, log).kill()


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.parametrize("page", PAGES, ids=names)
def test_its_commands_work(page, service, job_id, ports, checkout, empty_database):
    script = "\n".join(filter(None, [left_to_run(block.text) for block in blocks(page, "bash")]))
    binaries = find_binaries(checkout / "none")
    environ = {
        **service.environ,
        "PATH": f"{ROOT}/.venv/bin:{binaries}:{os.environ['PATH']}",
        "HOME": str(checkout),
        "BASE_URL": service.base_url,
        "JOB_ID": job_id,
        "DATABASE_URL": service.environ["DATABASE_URL"].replace("+psycopg2", ""),
        "NEW_DATABASE_URL": empty_database.replace("+psycopg2", ""),
        "LANG": "C.UTF-8",
    }
    code, output = run(placed(script, service, job_id, ports), checkout, environ)
    assert code == 0, output


@pytest.mark.parametrize("line", RUN_ELSEWHERE)
def test_what_is_run_elsewhere_is_run_there(line):
    file, words = RUN_ELSEWHERE[line]
    assert words in (ROOT / file).read_text()


def test_nothing_is_left_out_that_no_document_says():
    said = {
        line for page in PAGES for block in blocks(page, "bash") for line in commands(block.text)
    }
    assert {*RUN_ELSEWHERE, *NOT_RUN} <= said
