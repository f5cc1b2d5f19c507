"""An order as programs send it: curl as it is, Python and JavaScript with a key of their own.

curl's is signed already and holds no key. By scheme 1 it can be sent at any time; where only
scheme 2 is accepted, for 300 s (docs/api.md §2). The programs sign by scheme 2.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, Final

from generation_service.core.limits import SIGNATURE_SECONDS
from generation_service.core.signatures import canonical_json, request_message, sign

PATH: Final = "/api/v1/generate-descriptions"
_JSON: Final = {"Content-Type": "application/json"}

_EXPIRES: Final = f"Its signature is good for {SIGNATURE_SECONDS} s from the moment it was shown."

Order = Mapping[str, Any]
"""A request's body without its signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an order goes; `key` signs it, `headers` are sent along.

    `scheme_1` tells whether that is accepted, `now` is in Unix seconds.
    """

    base_url: str
    key: str
    scheme_1: bool
    now: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    code: str
    note: str = ""


def recipes(order: Order, target: Target) -> list[Recipe]:
    """The same order in each language."""
    return [
        Recipe("curl", curl(order, target), "" if target.scheme_1 else _EXPIRES),
        Recipe("Python", _PYTHON.substitute(_places(order, target, indent=4))),
        Recipe("JavaScript", _JAVASCRIPT.substitute(_places(order, target, indent=2))),
    ]


def curl(order: Order, target: Target) -> str:
    """A command that a POSIX shell runs as it is."""
    headers = {**_JSON, **target.headers}
    if target.scheme_1:
        order = {"signature": sign(target.key, canonical_json(order["lots"])), **order}
        body = _json(order, indent=2)
    else:
        body = _json(order, indent=2)
        message = request_message(target.now, "POST", PATH.encode(), body.encode())
        headers["X-Signature"] = f"t={target.now},v2={sign(target.key, message)}"
    return " \\\n  ".join(
        (
            f"curl --silent --show-error --max-time 300 {shlex.quote(target.base_url + PATH)}",
            *(f"--header {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()),
            f"--data-raw {shlex.quote(body)}",
        )
    )


def _places(order: Order, target: Target, *, indent: int) -> dict[str, str]:
    """What the templates leave open. Strings and lists of JSON mean the same in both languages."""
    members = "".join(
        f",\n{' ' * 2 * indent}{_json(name)}: {_json(value)}"
        for name, value in target.headers.items()
    )
    return {
        "order": _json(order, indent=indent),
        "base_url": _json(target.base_url),
        "path": _json(PATH),
        "more_headers": members,
    }


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


_PYTHON: Final = Template("""\
import hashlib
import hmac
import json
import os
import time
import urllib.request

BASE_URL = $base_url
PATH = $path

order = $order

body = json.dumps(order).encode()
now = int(time.time())
message = f"{now}.POST.{PATH}.".encode() + body
key = os.environ["SHARED_KEY"].encode()
signature = hmac.new(key, message, hashlib.sha256).hexdigest()
request = urllib.request.Request(
    BASE_URL + PATH,
    data=body,
    headers={
        "Content-Type": "application/json",
        "X-Signature": f"t={now},v2={signature}"$more_headers,
    },
)
with urllib.request.urlopen(request, timeout=300) as response:
    print(json.dumps(json.load(response), ensure_ascii=False, indent=2))
""")

_JAVASCRIPT: Final = Template("""\
// Node 18 or newer: node order.mjs
import { createHmac } from "node:crypto";

const baseUrl = $base_url;
const path = $path;

const order = $order;

const body = JSON.stringify(order);
const now = Math.floor(Date.now() / 1000);
const message = `$${now}.POST.$${path}.$${body}`;
const signature = createHmac("sha256", process.env.SHARED_KEY).update(message).digest("hex");
const response = await fetch(baseUrl + path, {
  method: "POST",
  body,
  headers: {
    "Content-Type": "application/json",
    "X-Signature": `t=$${now},v2=$${signature}`$more_headers,
  },
  signal: AbortSignal.timeout(300_000),
});
console.log(JSON.stringify(await response.json(), null, 2));
""")
