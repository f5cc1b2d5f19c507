"""`python -m openai_simulator --port P`: run until SIGTERM or SIGINT."""

import os
import signal
import sys
from dataclasses import fields

from openai_simulator.server import Simulator
from openai_simulator.settings import Settings, from_arguments

ENDINGS = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    settings = from_arguments(sys.argv[1:], os.environ)
    # Blocked before any thread starts: the kernel may hand a signal to any thread, and one that
    # lands elsewhere would never wake the main thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    options = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    try:
        simulator = Simulator(**options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"openai_simulator: {error}\n")
        return 2
    with simulator:
        sys.stdout.write(f"openai_simulator: listening on {simulator.base_url}\n")
        sys.stdout.flush()
        signal.sigwait(ENDINGS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
