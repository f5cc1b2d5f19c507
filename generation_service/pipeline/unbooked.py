"""Bills of single lots that the database did not take: what of them is remembered, and what told.

OpenAI is paid when it has answered, whatever becomes of the database then. A bill that surely isn't
booked is remembered by the process and booked when the database is back (pipeline/measure.py). One
whose commit may have been done is not: it would be booked twice. Either is told in the log, with
what it comes to, because the process may end before the database is back.
"""

from collections.abc import Mapping
from threading import Lock

from sqlalchemy import Connection

from generation_service.core.charges import Account, Tally, merged, total
from generation_service.core.prices import usd
from generation_service.db import charges


class Unbooked:
    """What this process owes the books, by account: as many as there are clients and models."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tallies: Mapping[Account, Tally] = {}

    def add(self, tallies: Mapping[Account, Tally]) -> None:
        with self._lock:
            self._tallies = merged(self._tallies, tallies)

    def take(self) -> Mapping[Account, Tally]:
        """All of it, once; whoever can't book it adds it again."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
        return taken


class Booking:
    """One bill on its way into the books, however often its transaction is tried."""

    def __init__(self, tallies: Mapping[Account, Tally]) -> None:
        self._tallies = {account: tally for account, tally in tallies.items() if tally}
        self.unclear = False
        """A try came as far as its commit, so that it may be booked."""

    def book(self, connection: Connection) -> None:
        """The last statement of a transaction: what fails from here on may have been committed."""
        charges.add_to_hour(connection, self._tallies)
        self.unclear = True

    def failed(self, unbooked: Unbooked) -> Mapping[str, object]:
        """No try is known to have been committed; returns what a line of the log tells of that.

        The bill is remembered, unless it may be booked.
        """
        if not self._tallies:
            return {}
        if not self.unclear:
            unbooked.add(self._tallies)
        return {"booked": "perhaps" if self.unclear else "later", **sums(self._tallies)}


def sums(tallies: Mapping[Account, Tally]) -> dict[str, object]:
    """What bills come to, for the log; answers of a stand-in for OpenAI cost nobody anything."""
    paid = total([tally.charge for account, tally in tallies.items() if not account.simulated])
    return {
        "prompt_tokens": paid.prompt_tokens,
        "cached_tokens": paid.cached_tokens,
        "completion_tokens": paid.completion_tokens,
        "cost_usd": usd(paid.cost_nanos),
    }
