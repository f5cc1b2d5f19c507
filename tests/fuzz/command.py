"""Running schemathesis over the API of a service on loopback."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.running import ROOT

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
UNLIMITED = "1000000"
RATE_LIMITS = {
    "RATE_LIMIT_SYNC": UNLIMITED,
    "RATE_LIMIT_BATCH": UNLIMITED,
    "RATE_LIMIT_POLLING": UNLIMITED,
    "RATE_LIMIT_BAD_SIGNATURES": UNLIMITED,
}
"""The settings of a service under test: a limit would soon answer everything."""


def schemathesis(
    base_url: str, world: Mapping[str, str], *options: str, captured: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Fuzz the service; `world` is what hooks.py reads. The return code is 0 if all is well."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
        *("run", f"{base_url}/openapi.json"),
        *("--checks", ",".join(CHECKS)),
        *("--generation-with-security-parameters", "false"),  # sender.py signs
        *("--suppress-health-check", "all"),
        *("--warnings", "off"),
        *("--request-timeout", "30"),
        "--continue-on-failure",
        *options,
    ]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", **world},
        stdout=subprocess.PIPE if captured else None,
        stderr=subprocess.STDOUT if captured else None,
        text=True,
        check=False,
    )
