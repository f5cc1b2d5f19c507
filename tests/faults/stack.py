"""The whole service as processes, and the hands that make it suffer.

Time is not waited for: leases and pauses of the dead are ended in the database, which is as if the
time that they have left had passed.
"""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from generation_service.db.embedded import acquire
from generation_service.db.engine import driver_url
from tests import running
from tests.acceptance.client import Client, Lot, lot
from tests.photos import photo_replies
from tests.running import RunningService, RunningSimulator
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

HOOK = "/hook"
THANKS = Reply(body=b"thanks", drip=0.05)
"""A receiver that takes its time, so that a fault may well come while it answers."""
END_SECONDS = 90.0


@dataclass(frozen=True)
class Stack:
    """One or more services on one database, with a simulator, photos and a webhook receiver."""

    services: Sequence[RunningService]
    simulator: RunningSimulator
    photos: LoopbackServer
    receiver: LoopbackServer
    engine: Engine
    data_dir: Path | None
    """Where the services' own PostgreSQL is, if that is what they use."""

    @property
    def service(self) -> RunningService:
        return self.services[0]

    def client(self, number: int = 0) -> Client:
        return Client(self.services[number])

    def lots(self, count: int, **more: object) -> list[Lot]:
        """Lots that name the receiver as their webhook."""
        hook = {"webhook": self.receiver.url(HOOK)}
        photo = self.photos.url("/1.jpg")
        return [lot(f"lot-{number}", photo, **{**hook, **more}) for number in range(count)]

    def rows(self, statement: str, **values: object) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            return [row._asdict() for row in connection.execute(text(statement), values)]

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def power_cut(self) -> None:
        """Kill -9 every process of the only service, and start it again."""
        self.service.process.kill()
        self.expire()
        self.service.again()

    def kill_database(self) -> None:
        """Kill -9 the services' own PostgreSQL, and wait until they have started it again."""
        assert self.data_dir
        pid_file = self.data_dir / "postgres" / "postmaster.pid"
        began = self._database_began()
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        until(
            lambda: self._database_began() not in {None, began}, what="PostgreSQL is started again"
        )
        for service in self.services:
            service.wait_until_healthy()

    def _database_began(self) -> object:
        """When PostgreSQL was started, None while it does not run."""
        try:
            return self.rows("SELECT pg_postmaster_start_time() AS began")[0]["began"]
        except OperationalError:
            return None

    def openai_batches(self) -> int:
        """How many batches OpenAI has, whatever became of them."""
        state = json.loads(running.get(f"http://127.0.0.1:{self.simulator.port}/simulator")[1])
        return sum(state["batches"].values())

    def surprises(self) -> list[str]:
        """What the services logged as an error with its traceback: a fault nobody expected."""
        logs = "\n".join(service.process.output() for service in self.services)
        # No JSON is parsed: a kill may have torn a line. Names in small letters are our own.
        ours = r'^.*"event": "[a-z_]+", "level": "error".*"exception": .*$'
        return re.findall(ours, logs, re.MULTILINE)

    def expire(self) -> None:
        """End all leases and pauses at once, whether their holders live or not."""
        for table in ("openai_batches", "batch_lots", "image_probes", "webhook_deliveries"):
            self.execute(
                f"UPDATE {table} SET lease_expires_at = now() - interval '1 s'"
                " WHERE lease_expires_at > now()"
            )
        self.execute("UPDATE openai_batches SET next_try_at = now() WHERE next_try_at > now()")

    def misbehave(self, on: str, do: str, **more: object) -> None:
        """Make OpenAI do this once, unless `times` says otherwise."""
        self.simulator.add_rule(**{"on": on, "do": do, "times": 1, **more})

    def firings(self) -> Counter[str]:
        """How often OpenAI has misbehaved, by the point where it did."""
        url = f"http://127.0.0.1:{self.simulator.port}/simulator/firings"
        return Counter(firing["on"] for firing in json.loads(running.get(url)[1]))

    def fired(self, on: str) -> int:
        return self.firings()[on]

    def behave(self) -> None:
        """Take back what was asked for by `misbehave` and has not happened yet."""
        url = f"http://127.0.0.1:{self.simulator.port}/simulator/rules"
        with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10):
            pass

    def wait_until_all_ended(self) -> None:
        until(self._is_idle, seconds=END_SECONDS, what="every job and delivery has ended")

    def _is_idle(self) -> bool:
        assert all(service.process.child.poll() is None for service in self.services)
        return not self.rows(
            """
            SELECT id FROM batch_jobs WHERE completed_at IS NULL
            UNION ALL SELECT id FROM webhook_deliveries WHERE status = 'pending'
            UNION ALL SELECT id FROM openai_batches WHERE status <> 'settled'
            """
        )


def workers(service: RunningService) -> list[int]:
    """The process ids of a service's Gunicorn workers."""
    listed = subprocess.run(
        ["pgrep", "-P", str(service.process.child.pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


@contextmanager
def stack(folder: Path, database_url: str | None, *, services: int = 1) -> Iterator[Stack]:
    """Without a `database_url` the services share a PostgreSQL of their own, in DATA_DIR."""
    data = folder / "data"
    with ExitStack() as stopping:
        enter = stopping.enter_context
        photos = enter(LoopbackServer(photo_replies()))
        receiver = enter(LoopbackServer({HOOK: THANKS}))
        openai = enter(running.simulator(folder, "--batch-seconds", "0", "--no-fetch"))
        url = driver_url(database_url or acquire(data))
        environ = {
            "DATABASE_URL": database_url or "",
            "DATA_DIR": str(data),
            "OPENAI_BASE_URL": openai.base_url,
            "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port},127.0.0.1:{receiver.port}",
            "WEBHOOK_RETRY_SECONDS": "0,0.5,0.5,0.5,0.5",
        }
        homes = [folder / f"service-{number}" for number in range(services)]
        for home in homes:
            home.mkdir()
        started = [enter(running.service(home, environ)) for home in homes]
        engine = create_engine(url, poolclass=NullPool)
        yield Stack(started, openai, photos, receiver, engine, None if database_url else data)
