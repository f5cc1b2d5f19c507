"""The recipes for a shell and for JavaScript, run as their users run them."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid

import pytest

from generation_service.core.webhooks import standard_secret
from tests.running import ROOT
from tests.servers import Reply
from tests.waiting import until

VECTORS = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())
EXACT = [vector for vector in VECTORS["lots"] if not vector["needs_exact_numbers"]]
JAVASCRIPT = (ROOT / "examples" / "javascript" / "client.mjs").as_uri()
SHELL = [tool for tool in ("bash", "jq", "openssl", "curl") if shutil.which(tool) is None]
needs_shell = pytest.mark.skipif(bool(SHELL), reason=f"not installed: {', '.join(SHELL)}")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="not installed: node")


def name_of(vector):
    return vector["name"]


def run(command, *, text=None, environ=None, folder=None):
    path = {"PATH": os.environ["PATH"], **(environ or {})}
    return subprocess.run(
        command,
        input=text,
        env=path,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def curl(service, photos, tmp_path):
    """Runs examples/curl.sh against the service; answers its output as JSON."""
    environ = {
        "BASE_URL": service.base_url,
        "SHARED_KEY": service.shared_key,
        "PHOTO_URL": photos.url("/1.jpg"),
        "LANGUAGES": '["en","fr"]',
    }

    def call(*arguments):
        done = run([ROOT / "examples/curl.sh", *arguments], environ=environ, folder=tmp_path)
        assert done.stdout or not done.returncode, done.stderr
        return json.loads(done.stdout or "null")

    return call


def javascript(script, *arguments, text=None):
    """What `script` prints, as JSON; `arguments` are strings in its `argument` array."""
    source = f"import * as client from {json.dumps(JAVASCRIPT)};\n"
    source += "const argument = process.argv.slice(1);\n" + script
    node = shutil.which("node")
    done = run([node, "--input-type=module", "-e", source, *arguments], text=text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_shell
@pytest.mark.parametrize("vector", EXACT, ids=name_of)
def test_the_shell_signs_as_the_vectors_say(vector):
    environ = {"SHARED_KEY": vector["key"]}
    lots = json.dumps(vector["lots"], ensure_ascii=False)
    done = run([ROOT / "examples/curl.sh", "sign"], text=lots, environ=environ)
    assert done.stdout.strip() == vector["signature"]


@needs_shell
def test_one_lot_from_a_shell(curl):
    described = curl("sync")["lots"][0]
    assert [entry["language"] for entry in described["descriptions"]] == ["en", "fr"]


@needs_shell
def test_a_job_from_a_shell(curl, tmp_path):
    job = curl("job")["job_id"]
    until(lambda: curl("status", job)["status"] == "completed", what="the job ends")
    assert len(curl("results", job)["results"]["lots"]) == 2
    curl("download", job)
    file = tmp_path / f"batch_results_{job}.json"
    assert json.loads(file.read_text()) == curl("results", job)
    assert job in [entry["id"] for entry in curl("list", "completed")["jobs"]]
    assert curl("cancel", job)["error"] == "Job cannot be cancelled"


@needs_shell
def test_the_shell_recipe_explains_itself_and_asks_for_a_key():
    usage = run([ROOT / "examples/curl.sh"], environ={"SHARED_KEY": "x"})
    assert usage.returncode == 2
    assert "sync" in usage.stderr
    keyless = run([ROOT / "examples/curl.sh", "list"])
    assert keyless.returncode != 0
    assert "set SHARED_KEY" in keyless.stderr


@needs_node
@pytest.mark.parametrize("vector", EXACT, ids=name_of)
def test_javascript_signs_as_the_vectors_say(vector):
    script = """
      const service = new client.GenerationServiceClient("http://127.0.0.1", argument[0]);
      console.log(JSON.stringify(service.signature(JSON.parse(argument[1]))));"""
    signature = javascript(script, vector["key"], json.dumps(vector["lots"]))
    assert signature == vector["signature"]


@needs_node
def test_javascript_writes_numbers_as_the_service_reads_them_back():
    numbers = "[0, -0, 1, -1.5, 1e-4, 1e-5, -2.5e-7, 5e-324, 1e20, 1e21, 123456789012, 0.1]"
    script = "console.log(JSON.stringify([client.canonicalJson(%s), JSON.stringify(%s)]));"
    canonical, sent = javascript(script % (numbers, numbers))
    assert canonical == json.dumps(json.loads(sent), separators=(",", ":"))


@needs_node
@pytest.mark.parametrize("vector", VECTORS["webhooks"], ids=range(len(VECTORS["webhooks"])))
def test_javascript_verifies_webhooks_and_nothing_else(vector):
    script = """
      const [body, headers, key, sent, secret] = JSON.parse(argument[0]);
      const check = (text, more, now) =>
        client.verifyWebhook(Buffer.from(text), { ...headers, ...more }, key, now);
      console.log(JSON.stringify([
        check(body, {}, sent), check(body + " ", {}, sent), check(body, {}, sent + 301),
        check(body, { "x-signature": "é" }, sent), check(body, { "webhook-id": "other" }, sent),
        client.verifyWebhook(Buffer.from(body), {}, key, sent),
        client.verifyWebhook(Buffer.from(body), headers, "other", sent, secret),
        client.verifyWebhook(Buffer.from(body), { "webhook-id": headers["webhook-id"],
          "webhook-timestamp": headers["webhook-timestamp"],
          "webhook-signature": headers["webhook-signature"] }, "other", sent, secret)]));"""
    names = ["X-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"]
    headers = {name.lower(): vector[name] for name in names}
    sent = int(vector["webhook-timestamp"])
    secret = standard_secret(vector["key"])
    checks = javascript(script, json.dumps([vector["body"], headers, vector["key"], sent, secret]))
    assert checks == [True, False, False, False, False, False, False, True]


@needs_node
def test_a_job_from_javascript(service, photos, receiver):
    receiver.replies["/node"] = Reply()
    script = """
      const [baseUrl, key, photo, webhook] = argument;
      const service = new client.GenerationServiceClient(baseUrl, key);
      const lots = ["a", "b"].map((lot_id) => ({ lot_id, images: [{ url: photo }], webhook }));
      const { status, document } = await service.generate(lots, ["en", "sr-Latn"]);
      const results = await service.waitForResults(document.job_id, { pollSeconds: 0.1 });
      const late = await service.cancel(document.job_id);
      const listed = await service.listJobs({ status: "completed", limit: 100 });
      console.log(JSON.stringify({ status, results, late, listed }));"""
    hook = receiver.url("/node")
    told = javascript(script, service.base_url, service.shared_key, photos.url("/1.jpg"), hook)
    assert told["status"] == 201
    assert [lot["lot_id"] for lot in told["results"]["results"]["lots"]] == ["a", "b"]
    assert told["late"]["status"] == 400
    assert told["results"]["job_id"] in [job["id"] for job in told["listed"]["document"]["jobs"]]


@needs_node
def test_javascript_tells_why_there_are_no_results(service):
    script = """
      const service = new client.GenerationServiceClient(argument[0], argument[1]);
      const why = await service.waitForResults(argument[2]).catch((error) => error.message);
      console.log(JSON.stringify(why));"""
    told = javascript(script, service.base_url, service.shared_key, str(uuid.uuid4()))
    assert re.match("not_found: ", told)


@needs_node
def test_one_lot_from_the_command_line_of_the_javascript_client(service, photos):
    command = [shutil.which("node"), ROOT / "examples/javascript/client.mjs"]
    done = run([*command, service.base_url, service.shared_key, "a", photos.url("/1.jpg")])
    assert json.loads(done.stdout)["lots"][0]["lot_id"] == "a"


def test_one_lot_from_the_command_line_of_the_python_client(service, photos):
    command = [sys.executable, ROOT / "examples/generation_service_client.py"]
    done = run([*command, service.base_url, service.shared_key, "a", photos.url("/1.jpg")])
    answer, status = json.loads(done.stdout)
    assert (status, answer["lots"][0]["lot_id"]) == (200, "a")
