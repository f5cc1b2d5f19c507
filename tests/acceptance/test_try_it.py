"""What the page Try it gives to be copied, run as it is against the running service."""

import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from html import unescape

import pytest

from tests import running

PASSWORD = "a password of operators"
WORDS = 'it\'s `$(exit 3)` "fine" \\ ${HOME} ж 🚗\r\n</script> !!'
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
RECIPE = re.compile(r'<pre id="recipe-\d"[^>]*>(.*?)</pre>', re.DOTALL)
MISSING = {tool for tool in ("curl", "node") if shutil.which(tool) is None}


class Operator:
    """A browser's cookies, and forms sent from the pages that have them."""

    def __init__(self, service):
        self._base = service.base_url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self.send("/admin/login", password=PASSWORD)

    def get(self, path):
        return self._opener.open(self._base + path, timeout=60).read().decode()

    def send(self, path, **fields):
        fields["csrf_token"] = TOKEN.findall(self.get(path))[0]
        form = urllib.parse.urlencode(fields).encode()
        return self._opener.open(self._base + path, form, timeout=60).read().decode()


@pytest.fixture(scope="module", params=["true", "false"])
def service(request, tmp_path_factory, database_url, simulator, photos):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
        "ADMIN_PASSWORD": PASSWORD,
        "WEB_CONCURRENCY": "1",
        "ACCEPT_V1_SIGNATURES": request.param,
    }
    with running.service(tmp_path_factory.mktemp("service"), environ) as started:
        yield started


@pytest.fixture(scope="module")
def recipes(service, photos, simulator):
    """curl, Python and JavaScript of one order, which has been described once."""
    before = len(simulator.ledger())
    page = Operator(service).send(
        "/admin/try",
        photos=photos.url("/1.jpg"),
        words=WORDS,
        english="on",
        language_1="sr-Latn",
        language_2="ar",
        again="on",
    )
    assert len(simulator.ledger()) == before + 3
    return [unescape(found) for found in RECIPE.findall(page)]


def outcome(command, service, *, text=None):
    """What a program prints that has nothing but the client's key, as JSON."""
    environ = {"PATH": os.environ["PATH"], "SHARED_KEY": service.shared_key}
    done = subprocess.run(
        command, input=text, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def is_the_same_answer(answer):
    (lot,) = answer["lots"]
    languages = [each["language"] for each in lot["descriptions"]]
    return (lot["lot_id"], languages) == ("try-it", ["en", "sr-Latn", "ar"])


@pytest.mark.skipif("curl" in MISSING, reason="not installed: curl")
def test_the_curl_command_runs_as_it_is_and_costs_nothing(service, recipes, simulator):
    paid = len(simulator.ledger())
    assert is_the_same_answer(outcome(["sh", "-c", recipes[0]], service))
    assert len(simulator.ledger()) == paid


def test_the_python_program_runs_as_it_is_and_costs_nothing(service, recipes, simulator):
    paid = len(simulator.ledger())
    assert is_the_same_answer(outcome([sys.executable, "-"], service, text=recipes[1]))
    assert len(simulator.ledger()) == paid


@pytest.mark.skipif("node" in MISSING, reason="not installed: node")
def test_the_javascript_program_runs_as_it_is_and_costs_nothing(service, recipes, simulator):
    paid = len(simulator.ledger())
    command = [shutil.which("node"), "--input-type=module", "-"]
    assert is_the_same_answer(outcome(command, service, text=recipes[2]))
    assert len(simulator.ledger()) == paid


def test_the_service_says_at_start_and_on_its_pages_that_texts_are_simulated(service):
    assert '"event": "openai_simulated"' in service.process.output()
    assert "<strong>Simulated.</strong>" in Operator(service).get("/admin/overview")
