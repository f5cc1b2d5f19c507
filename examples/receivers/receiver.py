"""Receives webhooks of Generation Service, with Python 3.11 and nothing else.

    SHARED_KEY=… python3 receiver.py [PORT [FOLDER]]

A delivery is verified, kept in FOLDER under its webhook-id and answered, within milliseconds; the
work is done afterwards by a thread that looks at what lies there. So a slow job of yours never
makes an attempt fail, a crash loses nothing, and a delivery that comes twice is worked once.
"""

import base64
import hmac
import json
import os
import re
import sys
import tempfile
import threading
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = os.environ["SHARED_KEY"].encode()
# whsec_ and base64; unless the operator has given you one, it is made of the key.
SECRET = os.environ.get("WEBHOOK_SECRET") or "whsec_" + base64.b64encode(KEY).decode()
STANDARD_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
MAX_BYTES = 8_000_000
TOLERANCE_SECONDS = 300
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it becomes the name of a file


def is_genuine(body: bytes, headers: Message) -> bool:
    """Both signatures must be right, over the bytes as they came, and the time recent."""
    digest = hmac.digest(KEY, body, "sha256").hex()
    if not _same("sha256=" + digest, headers.get("X-Signature", "")):
        return False
    sent = headers.get("webhook-timestamp", "")
    if not re.fullmatch(r"[0-9]{1,12}", sent) or abs(time.time() - int(sent)) > TOLERANCE_SECONDS:
        return False
    message = f"{headers.get('webhook-id', '')}.{sent}.".encode() + body
    signature = base64.b64encode(hmac.digest(STANDARD_KEY, message, "sha256")).decode()
    presented = headers.get("webhook-signature", "").split()
    return any(_same(f"v1,{signature}", one) for one in presented)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def keep(folder: Path, delivery_id: str, body: bytes) -> bool:
    """Store a delivery whole or not at all; False if it came before."""
    descriptor, partial = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, folder / f"{delivery_id}.json")  # fails where there is one already
    except FileExistsError:
        return False
    finally:
        Path(partial).unlink()
    return True


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 for what is kept; everything else makes the service try again."""

    timeout = 15
    folder = Path("inbox")
    arrived = threading.Event()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,7}", length) or int(length) > MAX_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        delivery_id = self.headers.get("webhook-id", "")
        if not is_genuine(body, self.headers) or not ID.fullmatch(delivery_id):
            return self.answer(403)
        new = keep(self.folder, delivery_id, body)
        self.arrived.set()
        return self.answer(200, b"kept" if new else b"kept before")

    def answer(self, status: int, text: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def work(folder: Path, arrived: threading.Event) -> None:
    """Do your part of the work, at its own pace; a .done file marks what needs no more."""
    while True:
        arrived.clear()
        for file in sorted(folder.glob("*.json")):
            done = file.with_suffix(".done")
            if not done.exists():
                handle(json.loads(file.read_bytes()))
                done.touch()
        arrived.wait(60)


def handle(delivery: dict) -> None:
    """Put your own work here. After a crash it is called again for the same delivery."""
    for lot in delivery["lots"]:
        print(delivery["job_id"], lot["lot_id"], lot["status"], flush=True)


def main(port: int = 8002, folder: str = "inbox") -> None:
    Receiver.folder = Path(folder)
    Receiver.folder.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=work, args=(Receiver.folder, Receiver.arrived), daemon=True).start()
    print(f"Receiving on http://127.0.0.1:{port}/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
