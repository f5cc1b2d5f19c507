"""`python -m openai_simulator --port P`: run until SIGTERM or SIGINT."""

import os
import signal
import sys
from dataclasses import fields
from threading import Event

from openai_simulator.rules import RuleError
from openai_simulator.server import Simulator
from openai_simulator.settings import Settings, from_arguments


def main() -> int:
    settings = from_arguments(sys.argv[1:], os.environ)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    try:
        simulator = Simulator(**options)
    except (RuleError, OSError) as error:
        sys.stderr.write(f"openai_simulator: {error}\n")
        return 2
    with simulator:
        sys.stdout.write(f"openai_simulator: listening on {simulator.base_url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
