"""`make run`: the service on this machine, and how to talk to it."""

import hashlib
import hmac
import os
import signal
import sys
from collections.abc import Mapping

from demo import environment
from demo.children import ROOT, StackError
from demo.stack import Stack, started

JOBS_PATH = "/api/v1/batch-jobs"


def main() -> int:
    """Exit codes: 0 after Ctrl-C, 2 when the service can't be run here."""
    stop_on_signals()
    environ = environment.read(os.environ, ROOT / ".env")
    try:
        with started(environ, log=None) as stack:
            show_whereabouts(stack, environ)
            keep_serving(stack)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def stop_on_signals() -> None:
    """Let a closed terminal or `kill` end everything in order, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def keep_serving(stack: Stack) -> None:
    """Wait for Ctrl-C; raises StackError if the service ends by itself."""
    print("Serving until Ctrl-C.", flush=True)
    raise StackError(f"The service ended with code {stack.service.wait_until_ended()}.")


def show_whereabouts(stack: Stack, environ: Mapping[str, str]) -> None:
    """Print the address, where the data lies and how to sign a first request."""
    folder = environment.data_dir(environ).resolve()
    own_key = bool(environ.get("SHARED_KEY"))
    key = "the one you set" if own_key else stack.shared_key
    kept = "" if own_key else f", kept in {folder / environment.KEY_FILE}"
    own_password = bool(environ.get("ADMIN_PASSWORD"))
    password = "the one you set" if own_password else stack.config.admin_password
    signature = hmac.new(stack.shared_key.encode(), JOBS_PATH.encode(), hashlib.sha256).hexdigest()
    print(f"""
Address     {stack.base_url}
Data        {stack.data}
SHARED_KEY  {key}{kept}
Admin page  {stack.base_url}/admin  password: {password}

A first signed request, the list of your jobs:

  curl -H 'X-Signature: sha256={signature}' {stack.base_url}{JOBS_PATH}

The same from Python, in this folder (more in examples/):

  from examples.generation_service_client import GenerationServiceClient
  client = GenerationServiceClient("{stack.base_url}", "{key}")
  print(client.list_jobs())
""")


if __name__ == "__main__":
    sys.exit(main())
