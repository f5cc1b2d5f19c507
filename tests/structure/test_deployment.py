"""Dockerfile, compose.yaml, Procfile and the systemd unit say what the service is and needs."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from config import Config
from tests import running
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
UNIT = ROOT / "docs" / "operations" / "generation-service.service"
SETTINGS = {setting.name.upper() for setting in fields(Config)}
LONGEST_ANSWER = 330  # gunicorn.conf.py: graceful_timeout
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="not installed: systemd-analyze"
)


def instructions():
    """The Dockerfile's instructions with their arguments, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def last(name):
    return [arguments for instruction, arguments in instructions() if instruction == name][-1]


def copied():
    """What the last stage copies of the project: (sources, target)."""
    stages = " ".join(each for each, _ in instructions()).split("FROM")
    own = instructions()[-len(stages[-1].split()) :]
    copies = [shlex.split(arguments) for name, arguments in own if name == "COPY"]
    return [(each[:-1], each[-1]) for each in copies if not each[0].startswith("--from")]


def environment():
    return dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))


@pytest.fixture
def image(tmp_path):
    """A folder with the files of the image and no others of the project."""
    folder = tmp_path / "image"
    folder.mkdir()
    for sources, target in copied():
        for source in sources:
            place = folder / target / source if target.endswith("/") else folder / target
            whole = (ROOT / source).is_dir()
            (shutil.copytree if whole else shutil.copy)(ROOT / source, place)
    return folder


def test_the_image_has_all_the_service_needs_and_no_more(image):
    """It is started from there; a module or folder that is missing would stop it."""
    script = """
exec(compile(open("gunicorn.conf.py").read(), "gunicorn.conf.py", "exec"))
import os, generation_service.app, generation_service.worker
root = generation_service.app._ROOT
assert str(root) == os.getcwd(), root
for file in ("templates/docs.html", "static/style.css", "migrations/env.py"):
    assert (root / file).is_file(), file
print(bind)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=image,
        env={"SHARED_KEY": running.SHARED_KEY, "OPENAI_API_KEY": "sk-test", **environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "0.0.0.0:5000\n"), ran.stderr
    assert not list(image.glob("**/.env"))


def test_the_builder_is_sent_what_is_copied_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text()
    sent = set(re.findall(r"^!(.+)$", ignored, re.MULTILINE))
    named = {source for sources, _ in copied() for source in sources} | {"requirements.txt"}
    assert sent == named
    assert re.search(r"^\*$", ignored, re.MULTILINE)


def test_the_image_runs_without_rights_and_is_looked_after():
    assert int(last("USER")) > 0
    assert "/health/live" in last("HEALTHCHECK")
    assert last("CMD") == '["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]'
    assert set(environment()) - {"PATH", "PYTHONUNBUFFERED"} <= SETTINGS


def test_its_health_check_asks_the_service(tmp_path):
    """The very command, once with nobody there and once with a server that answers."""
    _, _, words = last("HEALTHCHECK").partition("CMD ")
    _, *arguments = yaml.safe_load(words)
    port = running.free_port()
    command = [sys.executable, *arguments]
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "live").write_text("{}")
    environ = {"PORT": str(port)}
    assert subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 1
    serve = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    server = running.spawn(serve, {}, tmp_path / "log")
    try:
        until(lambda: running.answers(f"http://127.0.0.1:{port}/"), what="it serves")
        assert subprocess.run(command, env=environ, check=False).returncode == 0
    finally:
        server.kill()


def test_compose_gives_the_service_its_settings_and_a_database():
    service, database = COMPOSE["services"]["service"], COMPOSE["services"]["database"]
    assert set(service["environment"]) <= SETTINGS
    assert {"DATABASE_URL", "SHARED_KEY", "OPENAI_API_KEY"} <= set(service["environment"])
    assert "@database:5432/" in service["environment"]["DATABASE_URL"]
    assert service["env_file"] == [{"path": ".env", "required": False}]  # all other settings
    assert service["environment"]["HOST"] != Config.host  # which only the container itself reaches
    assert set(service["depends_on"]) == set(COMPOSE["services"]) - {"service"}
    assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert "pg_isready" in " ".join(database["healthcheck"]["test"])
    kept = {volume.partition(":")[0] for volume in database["volumes"]}
    assert kept == set(COMPOSE["volumes"])


def test_everyone_who_stops_it_leaves_it_the_time_to_end():
    grace = int(COMPOSE["services"]["service"]["stop_grace_period"].removesuffix("s"))
    timeout = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert timeout is not None
    assert min(grace, int(timeout[1])) > LONGEST_ANSWER
    assert f"graceful_timeout = {LONGEST_ANSWER}" in (ROOT / "gunicorn.conf.py").read_text()


def test_all_start_it_with_the_same_command():
    command = "gunicorn -c gunicorn.conf.py wsgi:app"
    assert (ROOT / "Procfile").read_text() == f"web: {command}\n"
    assert f"/{command}\n" in UNIT.read_text()
    assert f"\n{command}\n" in (ROOT / "docs" / "operations.md").read_text()


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path):
    programs = Path(sys.executable).parent
    here = UNIT.read_text().replace("/opt/generation-service/.venv/bin", str(programs))
    (tmp_path / UNIT.name).write_text(here)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in ran.stderr.splitlines() if UNIT.name in line]
    assert (ran.returncode, said) == (0, []), ran.stderr
