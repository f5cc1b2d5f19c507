"""`make`, `make demo` and `make run`, as a stranger starts them."""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from dataclasses import fields
from urllib.request import urlopen

import pytest
from PIL import Image

from config import Config
from demo import samples
from demo.loopback import photo_server, webhook_receiver
from tests import running
from tests.waiting import until

UNSET = {setting.name.upper(): "" for setting in fields(Config)}  # whatever .env says
ENDS_WITHIN_SECONDS = 60
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
WEBP = "red-sedan-front.webp"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def environ(data_dir):
    return {**UNSET, "DATA_DIR": str(data_dir), "SIMULATOR_BATCH_SECONDS": "0"}


def demo(environ):
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=running.ROOT,
        env={**os.environ, "DEMO_EXIT": "1", **environ},
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_SECONDS,
        check=False,
    )


@pytest.fixture
def served(environ, tmp_path):
    """`make run` on a free port, once it has said that it serves."""
    port = running.free_port()
    log = tmp_path / "run.log"
    process = running.spawn(["-m", "demo.serve"], {**environ, "PORT": str(port)}, log)
    try:
        until(lambda: _serves(process), seconds=ENDS_WITHIN_SECONDS, what="make run serves")
        yield process, port
    finally:
        process.kill()


def _serves(process):
    assert process.child.poll() is None, process.output()
    return "Serving until Ctrl-C." in process.output()


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_make_alone_lists_the_targets():
    done = subprocess.run(["make"], cwd=running.ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make (\w+) +\S", done.stdout, re.MULTILINE)
    assert {"setup", "demo", "run", "test", "lint", "format", "lock", "bench", "clean"} <= {*listed}


def test_the_demo_works_from_the_first_photo_to_the_verified_webhook(environ):
    done = demo(environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    assert "photo not reachable: http://127.0.0.1:" in done.stdout
    assert "both signatures verified" in done.stdout
    assert "All of it worked" in done.stdout
    assert "100%  completed" in done.stderr


def test_the_demo_fails_and_names_the_step_that_went_wrong(environ):
    done = demo({**environ, "IMAGE_THRESHOLD": "1"})
    assert done.returncode == 1
    reason = done.stderr.splitlines()[-1]
    assert reason.startswith("The demo failed: lot 24-10503 is failed")
    assert "too_many_unreachable_images" in reason


def test_the_demo_spends_nothing_with_a_real_key(environ):
    done = demo({**environ, "OPENAI_API_KEY": "sk-real"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "Nothing was sent and nothing was paid." in done.stderr


def test_wrong_settings_are_named_before_anything_starts(environ):
    done = demo({**environ, "IMAGE_THRESHOLD": "7", "SHARED_KEY": "short"})
    assert done.returncode == 2
    assert "IMAGE_THRESHOLD" in done.stderr
    assert "SHARED_KEY" in done.stderr


def test_the_first_request_that_run_prints_works(served):
    process, _ = served
    ((header, url),) = re.findall(r"curl -H 'X-Signature: (.*)' (\S+)", process.output())
    status, _ = running.get(url, {"X-Signature": header})
    assert status == 200


def test_the_python_that_run_prints_works(served):
    process, _ = served
    snippet = process.output().partition("The same from Python")[2].partition("\n\n")[2]
    source = textwrap.dedent(snippet.partition("\n\n")[0])
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=running.ROOT, capture_output=True, text=True, check=True
    )
    document, status = ast.literal_eval(done.stdout)
    assert status == 200
    assert "pagination" in document


def test_the_generated_key_is_kept_from_run_to_run(served, data_dir):
    process, _ = served
    kept = data_dir / "shared-key"
    assert kept.read_text() in process.output()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("served")
def test_a_second_run_on_the_same_data_says_what_is_in_its_way(environ, tmp_path):
    second = running.spawn(["-m", "demo.serve"], environ, tmp_path / "second.log")
    assert second.child.wait(ENDS_WITHIN_SECONDS) == 2
    assert "Another make run or make demo is using" in second.output()


def test_a_taken_port_is_named(environ, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        taken = running.spawn(["-m", "demo.serve"], {**environ, "PORT": port}, tmp_path / "log")
        assert taken.child.wait(ENDS_WITHIN_SECONDS) == 2
    assert f"Port {port} on 127.0.0.1 is taken" in taken.output()


def test_a_termination_signal_ends_everything(served):
    process, port = served
    assert process.stop() == 0
    assert not is_open(port)


def test_nothing_is_left_behind_when_run_itself_is_killed(served):
    process, port = served
    (simulator,) = re.findall(r"--port (\d+)", command_lines_of(process.child.pid))
    os.kill(process.child.pid, signal.SIGKILL)
    process.child.wait()
    until(lambda: not is_open(port) and not is_open(int(simulator)), what="the children end")


def test_the_receiver_takes_no_webhook_of_a_stranger():
    with webhook_receiver("a-key") as receiver:
        status, _ = running.post(receiver.url, b"{}", {"X-Signature": "sha256=00"})
        webhook = receiver.wait(lambda _: True, seconds=5)
    assert status == 401
    assert webhook is not None
    assert not webhook.verified


def test_the_receiver_stops_waiting_in_time():
    with webhook_receiver("a-key") as receiver:
        assert receiver.wait(lambda _: True, seconds=0.01) is None


@pytest.mark.parametrize("car", samples.cars("http://photos"), ids=lambda car: car["lot_id"])
def test_the_sample_photos_are_small_and_what_their_names_say(car):
    for url in car["image_urls"]:
        file = samples.FOLDER / url.removeprefix("http://photos/")
        assert file.stat().st_size < 300_000
        with Image.open(file) as photo:
            assert photo.get_format_mimetype() == TYPES[file.suffix]
            assert min(photo.size) >= 500


def test_the_photo_server_names_each_type():
    with photo_server(samples.FOLDER) as port, urlopen(f"http://127.0.0.1:{port}/{WEBP}") as answer:
        assert answer.headers["Content-Type"] == "image/webp"


def command_lines_of(parent):
    arguments = ["ps", "-o", "args=", "--ppid", str(parent)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
