"""The whole service as processes, and the hands that make it suffer.

Time is not waited for: leases and pauses of the dead are ended in the database, which is as if the
time that they have left had passed.
"""

import os
import re
import signal
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

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
HANG_SECONDS = 2.0
"""How long OpenAI stays silent, should its caller live: longer than any kill takes."""
LEASED = (
    *("openai_batches", "batch_lots", "image_probes", "webhook_deliveries"),
    *("idempotency_keys", "descriptions"),
)
PAUSES = {
    "openai_batches": "next_try_at",
    "descriptions": "available_at",
    "model_limits": "paused_until",
}
"""Time that would only be waited for, by table; 'infinity' waits for an event."""


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
    direct: bool = False
    """Whether jobs are worked by direct calls, as with servers that have no Batch API."""
    caught: list[int] = field(default_factory=list)
    """How many deliveries were being sent when leases were ended: each may come once more."""

    @property
    def service(self) -> RunningService:
        return self.services[0]

    def client(self, number: int = 0) -> Client:
        return Client(self.services[number])

    def lots(self, count: int, **more: object) -> list[Lot]:
        """Lots that name the receiver as their webhook.

        With direct calls each has a photo of its own: by that OpenAI's ledger tells them apart.
        """
        hook = {"webhook": self.receiver.url(HOOK)}
        mark = uuid4().hex
        paths = [f"/1.jpg?{mark}-{n}" if self.direct else "/1.jpg" for n in range(count)]
        photos = map(self.photos.url, paths)
        return [lot(f"lot-{n}", photo, **{**hook, **more}) for n, photo in enumerate(photos)]

    def rows(self, statement: str, **values: object) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            return [row._asdict() for row in connection.execute(text(statement), values)]

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def power_cut(self) -> None:
        """Kill -9 every process of every service, and start them again."""
        for service in self.services:
            service.process.kill()
        self.expire()
        for service in self.services:
            service.again()

    def kill_simulator(self) -> None:
        """Kill -9 OpenAI's stand-in and start it again, with the misbehaviour still owed."""
        owed = [rule for rule in self.simulator.told("/rules") if not rule["fired"]]
        self.simulator.again()
        for rule in owed:
            known = ("id", "seen", "fired")
            self.simulator.add_rule(**{k: v for k, v in rule.items() if k not in known})

    def kill_database(self) -> None:
        """Kill -9 the services' own PostgreSQL, and wait until they have started it again."""
        assert self.data_dir
        pid_file = self.data_dir / "postgres" / "postmaster.pid"
        began = self._database_began()
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        until(
            lambda: self._database_began() not in {None, began}, what="PostgreSQL is started again"
        )
        self.wait_until_healthy()

    def _database_began(self) -> object:
        """When PostgreSQL was started, None while it does not run."""
        try:
            return self.rows("SELECT pg_postmaster_start_time() AS began")[0]["began"]
        except OperationalError:
            return None

    def openai_batches(self) -> int:
        """How many batches OpenAI has, whatever became of them."""
        batches: dict[str, int] = self.simulator.told()["batches"]
        return sum(batches.values())

    def asked(self, call: str) -> int:
        """How often OpenAI was asked this, `POST /v1/files` say, since it was started."""
        answers: dict[str, int] = self.simulator.told("/requests").get(call, {})
        return sum(answers.values())

    def surprises(self) -> list[str]:
        """What the services logged as an error with its traceback: a fault nobody expected."""
        logs = "\n".join(service.process.output() for service in self.services)
        # No JSON is parsed: a kill may have torn a line. Names in small letters are our own.
        ours = r'^.*"event": "[a-z_]+", "level": "error".*"exception": .*$'
        return re.findall(ours, logs, re.MULTILINE)

    def expire(self) -> None:
        """End all leases and pauses at once, whether their holders live or not."""
        for table in LEASED:
            ended = self._let_end(table, "lease_expires_at")
            if table == "webhook_deliveries":
                self.caught.append(ended)
        self.hurry()

    def hurry(self) -> None:
        """End all pauses; leases stay."""
        for table, column in PAUSES.items():
            self._let_end(table, column)

    def _let_end(self, table: str, column: str) -> int:
        """The number of rows; those that a paused process has locked are left as they are."""
        statement = f"""
            UPDATE {table} SET {column} = now() - interval '1 s' WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE {column} > now() AND {column} < 'infinity'
                FOR UPDATE SKIP LOCKED))
        """
        with self.engine.begin() as connection:
            return connection.execute(text(statement)).rowcount

    def wait_until_healthy(self) -> None:
        for service in self.services:
            service.wait_until_healthy()

    def sending(self) -> int:
        """How many deliveries somebody has claimed to send."""
        return len(self.rows("SELECT FROM webhook_deliveries WHERE lease_expires_at > now()"))

    def misbehave(self, on: str, do: str, **more: object) -> None:
        """Make OpenAI do this once, unless `times` says otherwise."""
        hanging = {"seconds": HANG_SECONDS} if do.startswith("hang") else {}
        self.simulator.add_rule(**{"on": on, "do": do, "times": 1, **hanging, **more})

    def firings(self) -> Counter[str]:
        """How often OpenAI has misbehaved, by the point where it did."""
        return Counter(firing["on"] for firing in self.simulator.told("/firings"))

    def lost(self, actions: Collection[str]) -> list[str]:
        """The custom_ids of lines to which OpenAI has done any of this."""
        done = (
            each["custom_id"] for each in self.simulator.told("/firings") if each["do"] in actions
        )
        return [custom_id for custom_id in done if custom_id]

    def fired(self, on: str) -> int:
        return self.firings()[on]

    def behave(self) -> None:
        """Take back what was asked for by `misbehave` and has not happened yet."""
        running.delete(f"{self.simulator.url}/rules")

    def wait_until_all_ended(self) -> None:
        until(self._is_idle, seconds=END_SECONDS, what="every job and delivery has ended")
        until(lambda: not self.simulator.told()["calls"], what="no call is under way")
        until(self._is_idle, seconds=END_SECONDS, what="nothing came of the last calls")

    def _is_idle(self) -> bool:
        assert all(service.process.child.poll() is None for service in self.services)
        self.hurry()
        return not self.rows(
            """
            SELECT id FROM batch_jobs WHERE completed_at IS NULL
            UNION ALL SELECT id FROM webhook_deliveries WHERE status = 'pending'
            UNION ALL SELECT id FROM openai_batches WHERE status <> 'settled'
            """
        )


@contextmanager
def stack(
    folder: Path, database_url: str | None, *, services: int = 1, direct: bool = False
) -> Iterator[Stack]:
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
            "OPENAI_BATCH_API": "off" if direct else "on",
        }
        homes = [folder / f"service-{number}" for number in range(services)]
        for home in homes:
            home.mkdir()
        started = [enter(running.service(home, environ)) for home in homes]
        engine = create_engine(url, poolclass=NullPool)
        own = None if database_url else data
        yield Stack(started, openai, photos, receiver, engine, own, direct)
