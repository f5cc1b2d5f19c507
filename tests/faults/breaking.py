"""What breaks: processes are killed or paused, or lose what they hold."""

import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from time import monotonic

from tests.faults.processes import signalled, workers
from tests.faults.stack import Stack

LONGEST_WAIT_SECONDS = 1.5


def let_pass(until: float, early: Callable[[], bool]) -> None:
    """The moment of a fault is left to chance: there is no state to wait for."""
    pause = Event()
    while monotonic() < until and not early():
        pause.wait(0.02)


@dataclass(frozen=True)
class Breaking:
    stack: Stack
    chance: random.Random

    def _wait(self) -> None:
        let_pass(monotonic() + self.chance.uniform(0, LONGEST_WAIT_SECONDS), bool)

    def kill_service(self) -> None:
        """A power cut; sometimes another one while it starts again."""
        service = self.chance.choice(self.stack.services)
        service.again()
        if self.chance.random() < 1 / 4:
            self._wait()
            service.again()
        if len(self.stack.services) == 1:
            self.stack.expire()

    def kill_services(self) -> None:
        """Of all of them; who calls this starts them again."""
        for service in self.stack.services:
            service.process.kill()

    def kill_worker(self) -> None:
        """Gunicorn starts another."""
        signalled(self._a_worker(), signal.SIGKILL)

    def pause_worker(self) -> None:
        """For longer than its leases: it goes on where it was, and others have taken over."""
        paused = self._a_worker()
        signalled(paused, signal.SIGSTOP)
        self.stack.expire()
        self._wait()
        signalled(paused, signal.SIGCONT)

    def pause_service(self) -> None:
        service = self.chance.choice(self.stack.services)
        service.process.pause()
        self.stack.expire()
        self._wait()
        service.process.go_on()

    def _a_worker(self) -> list[int]:
        """One worker of any service; none while Gunicorn is starting them."""
        found = workers(self.chance.choice(self.stack.services))
        return self.chance.sample(found, min(1, len(found)))

    def expire(self) -> None:
        """Owners lose their leases while they work."""
        self.stack.expire()

    def kill_database(self) -> None:
        self.stack.kill_database()

    def kill_openai(self) -> None:
        self.stack.kill_simulator()

    def pause_openai(self) -> None:
        self.stack.simulator.process.pause()
        self._wait()
        self.stack.simulator.process.go_on()


FAULTS: Mapping[str, Callable[[Breaking], None]] = {
    "kill_service": Breaking.kill_service,
    "kill_services": Breaking.kill_services,
    "kill_worker": Breaking.kill_worker,
    "kill_database": Breaking.kill_database,
    "kill_openai": Breaking.kill_openai,
    "pause_worker": Breaking.pause_worker,
    "pause_service": Breaking.pause_service,
    "pause_openai": Breaking.pause_openai,
    "expire_leases": Breaking.expire,
}
VICTIMS = ("kill_services", "kill_database", "kill_openai")
"""What dies at a named moment: there, everything stands still until it does."""
AT_RANDOM = tuple(name for name in FAULTS if name != "kill_services")
