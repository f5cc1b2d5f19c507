"""The samples for nginx and HAProxy, run as they are but for addresses and the certificate."""

import http.client
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from generation_service.core.signatures import sign
from tests import leash, running
from tests.waiting import until

SAMPLES = running.ROOT / "docs" / "operations"
PROXIES = [
    pytest.param(
        name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"not installed: {name}")
    )
    for name in ("nginx", "haproxy")
]
HTTP, HTTPS = running.free_port(), running.free_port()
CERTIFICATES = {
    "nginx": tuple(f"/etc/ssl/generation-service/{name}.pem" for name in ("fullchain", "privkey")),
    "haproxy": ("/etc/haproxy/certs/descriptions.example.com.pem",) * 2,
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a certificate and its key, signed by itself."""
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", f"{file}.key", "-out", f"{file}.crt"]
    subprocess.run([*make, *names, *files], check=True, capture_output=True)
    file.write_text(Path(f"{file}.crt").read_text() + Path(f"{file}.key").read_text())
    return file


@pytest.fixture(scope="module")
def service(folder, database_url, simulator, photos):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
        "TRUSTED_PROXIES": "127.0.0.1",
        "RATE_LIMIT_BAD_SIGNATURES": "2",
    }
    with running.service(folder, environ) as started:
        yield started


@pytest.fixture(params=PROXIES)
def proxy(request):
    return request.param


@pytest.fixture
def sample(proxy, certificate, tmp_path):
    """The sample's file with a certificate that exists, and addresses that may be used."""
    (source,) = SAMPLES.glob(f"{proxy}.c*")
    text = source.read_text()
    for path in CERTIFICATES[proxy]:
        text = text.replace(path, str(certificate))
    for port, free in (("443", HTTPS), ("80", HTTP)):
        text = text.replace(f"listen {port}", f"listen 127.0.0.1:{free}")
        text = text.replace(f"bind :{port}", f"bind 127.0.0.1:{free}")
    file = tmp_path / source.name
    file.write_text(text)
    return file


def checked(file):
    """What the proxy itself says against its configuration."""
    folder = f"pid {file.parent}/pid; error_log {file.parent}/error.log;"
    command = {
        "nginx.conf": ["nginx", "-t", "-e", f"{file.parent}/error.log", "-g", folder, "-c", file],
        "haproxy.cfg": ["haproxy", "-c", "-f", file],
    }[file.name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def started(file):
    folder = file.parent
    if file.name == "nginx.conf":
        places = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"
        command = ["nginx", "-e", f"{folder}/error.log", "-g", places, "-p", folder, "-c", file]
    else:
        command = ["haproxy", "-db", "-f", file]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, start_new_session=True
        )
    leash.hold(process.pid)
    try:
        yield
    finally:
        running.Process(process, folder / "log").kill()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


@dataclass(frozen=True)
class Outside:
    """The service as the world sees it, by a certificate that is trusted here."""

    context: ssl.SSLContext

    def ask(self, path, body=None, *, url=f"https://127.0.0.1:{HTTPS}", **headers):
        """Status, headers and body; redirects are not followed."""
        secure = urllib.request.HTTPSHandler(context=self.context)
        request = urllib.request.Request(url + path, data=body, headers=headers)
        try:
            with urllib.request.build_opener(secure, _Stay).open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def is_up(self):
        try:
            return self.ask("/health/live")[0] == 200
        except OSError:
            return False


def test_the_proxy_accepts_its_sample(sample):
    ran = checked(sample)
    assert ran.returncode == 0, ran.stderr
    assert "warn" not in (ran.stdout + ran.stderr).lower(), ran.stderr


@pytest.fixture
def outside(sample, service, certificate):
    """The proxy, with the service of this module behind it."""
    sample.write_text(
        sample.read_text().replace("127.0.0.1:5000", service.base_url.removeprefix("http://"))
    )
    with started(sample):
        proxy = Outside(ssl.create_default_context(cafile=str(certificate)))
        until(proxy.is_up, what="the proxy serves")
        yield proxy


def test_requests_pass_it_as_they_were_signed(outside, service):
    target = "/api/v1/batch-jobs?limit=2&note=%2Fa%20b"
    signature = sign(service.shared_key, target.encode())
    status, headers, body = outside.ask(target, **{"X-Signature": signature})
    assert (status, json.loads(body)["jobs"]) == (200, [])
    assert headers["X-Request-Id"]
    packed = outside.ask("/docs", **{"Accept-Encoding": "gzip"})
    assert packed[1]["Content-Encoding"] == "gzip"


def test_nobody_outside_gets_at_what_is_internal(outside):
    paths = ("/metrics", "/admin", "/admin/login", "//metrics", "/%61dmin", "/%2fadmin/login")
    for path in paths:
        assert outside.ask(path)[0] == 403, path
    assert outside.ask("/health")[0] == 200


def test_without_tls_it_only_tells_where_to_go(outside):
    path = "/api/v1/batch-jobs?limit=2"
    status, headers, _ = outside.ask(path, b"{}", url=f"http://127.0.0.1:{HTTP}")
    assert status == 308
    assert headers["Location"].startswith("https://")
    assert headers["Location"].endswith(path)


def test_the_sender_is_known_behind_it(outside, proxy):
    first, second = f"203.0.113.{len(proxy)}", f"198.51.100.{len(proxy)}"
    asked = [
        outside.ask("/api/v1/batch-jobs", **{"X-Forwarded-For": sender})[0]
        for sender in (first, first, first, second)
    ]
    assert asked == [401, 401, 429, 401]


def test_bodies_past_200_mb_are_refused_before_they_are_sent(outside):
    connection = http.client.HTTPSConnection(
        "127.0.0.1", HTTPS, context=outside.context, timeout=30
    )
    with closing(connection):
        connection.putrequest("POST", "/api/v1/generate-descriptions")
        connection.putheader("Content-Length", "209715201")
        connection.endheaders()
        assert connection.getresponse().status == 413
