"""The simulator as a whole: `with Simulator(port=0) as simulator: simulator.base_url`."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from openai_simulator.app import App
from openai_simulator.batches import Batches
from openai_simulator.connections import Server
from openai_simulator.control import Control, Traffic
from openai_simulator.desk import Desk
from openai_simulator.events import Events, signing_key
from openai_simulator.files import Files
from openai_simulator.journal import Journal
from openai_simulator.ledger import Ledger
from openai_simulator.parts import Parts
from openai_simulator.photos import Eyes
from openai_simulator.rules import Rules
from openai_simulator.settings import Settings


class Simulator:
    """A running stand-in for api.openai.com; takes the fields of `Settings` by name.

    `base_url` is what a client needs; `ledger`, `rules`, `traffic` and `events` are for tests.
    """

    def __init__(self, **options: Any) -> None:
        self.settings = Settings(**options)
        url, secret = self.settings.events_url, self.settings.events_secret
        key = b"" if url is None else signing_key(secret)
        self._temporary = None if self.settings.state else tempfile.mkdtemp(prefix="simulator-")
        state = Path(self._temporary or self.settings.state or "")
        state.mkdir(parents=True, exist_ok=True)
        self._eyes = Eyes(fetch=self.settings.fetch, seconds=self.settings.photo_seconds)
        self._firings = Journal(state / "firings.jsonl")
        self.ledger = Ledger(state / "ledger.jsonl")
        self.rules = Rules(self._firings, self.settings.seed)
        self.traffic = Traffic()
        closing = Event()
        self.events = Events(url, key, self.rules, closing)
        self._parts = Parts(
            settings=self.settings,
            desk=Desk(self._eyes),
            files=Files(state / "files"),
            ledger=self.ledger,
            rules=self.rules,
            events=self.events,
            closing=closing,
        )
        for rule in self.settings.rules:
            self.rules.add(rule)
        self._batches = Batches(state / "batches", self._parts)
        self._server = Server(self.settings.host, self.settings.port, self._app())
        self._thread = Thread(target=self._server.serve_forever, args=[0.05], name="simulator")

    def _app(self) -> App:
        control = Control(self.ledger, self.rules, self.traffic, self.events, self._batch_counts)
        return App(self._parts, self._batches, control)

    def _batch_counts(self) -> Mapping[str, int]:
        return Counter(record.status for record in self._batches.newest_first)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def start(self) -> None:
        self._batches.resume()
        self._thread.start()

    def close(self) -> None:
        """End every connection and wait for the work under way; --state keeps what is left."""
        self._parts.closing.set()
        self._server.close()
        self._thread.join()
        self._batches.close()
        self.events.close()
        self._eyes.close()
        self.ledger.close()
        self._firings.close()
        if self._temporary:
            shutil.rmtree(self._temporary)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
