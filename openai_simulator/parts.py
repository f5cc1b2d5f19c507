"""What the calls and the batches share."""

from dataclasses import dataclass
from threading import Event

from openai_simulator.call_actions import Surroundings
from openai_simulator.desk import Desk
from openai_simulator.events import Events
from openai_simulator.files import Files
from openai_simulator.ledger import Ledger
from openai_simulator.rules import Rules
from openai_simulator.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Parts:
    """`closing` is set once the simulator ends: whoever waits, waits on it."""

    settings: Settings
    desk: Desk
    files: Files
    ledger: Ledger
    rules: Rules
    events: Events
    closing: Event

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(closing=self.closing, delete_file=self.files.delete)
