"""`make demo`: the whole service at work on this machine, with sample photos and a webhook.

DEMO_EXIT=1 ends it after the story, with exit code 0 only if every step came out right; else it
keeps serving until Ctrl-C.
"""

import os
import sys
from collections.abc import Mapping

from config import Config
from demo import environment, samples, story
from demo.children import ROOT, StackError
from demo.loopback import LOOPBACK, photo_server, webhook_receiver
from demo.serve import keep_serving, show_whereabouts, stop_on_signals
from demo.stack import Stack, started
from examples.generation_service_client import GenerationServiceClient


def main() -> int:
    """Exit codes: 0, 1 a step failed, 2 the service can't be run here."""
    stop_on_signals()
    environ = environment.read(os.environ, ROOT / ".env")
    try:
        return _run(environ)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    except story.StepError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0 if not environ.get("DEMO_EXIT") else 1


def _run(environ: Mapping[str, str]) -> int:
    refusal = environment.refusal_of_demo(environ)
    if refusal:
        raise StackError(refusal)
    keyed = environment.with_secrets(environ)
    log = environment.data_dir(environ) / "service.log"
    with (
        photo_server(samples.FOLDER) as photos_port,
        webhook_receiver(keyed["SHARED_KEY"]) as receiver,
        started(_settings(keyed, photos_port, receiver.port), log=log) as stack,
    ):
        client = GenerationServiceClient(stack.base_url, stack.shared_key)
        client.session.trust_env = False  # a proxy has no business on this machine's loopback
        story.tell(client, samples.cars(f"http://{LOOPBACK}:{photos_port}"), receiver)
        client.session.close()
        _end(stack, environ)
    return 0


def _settings(environ: Mapping[str, str], photos_port: int, receiver_port: int) -> dict[str, str]:
    """The two servers of the demo become the only private addresses the service may reach."""
    allowed = f"{LOOPBACK}:{photos_port},{LOOPBACK}:{receiver_port}"
    settings = {**environment.quickly(environ), "ALLOWED_PRIVATE_HOSTS": allowed}
    port = environ.get("PORT") or str(Config.port)
    if port.isdecimal() and not environment.is_free(environ.get("HOST") or Config.host, int(port)):
        settings["PORT"] = str(environment.free_port())
    return settings


def _end(stack: Stack, environ: Mapping[str, str]) -> None:
    print("\n── All of it worked")
    show_whereabouts(stack, environ)
    if not environ.get("DEMO_EXIT"):
        keep_serving(stack)


if __name__ == "__main__":
    sys.exit(main())
