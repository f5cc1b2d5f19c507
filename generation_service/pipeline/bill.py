"""What the calls for a single lot were billed, gathered while its client waits."""

from collections import defaultdict
from collections.abc import Mapping

from generation_service.core.charges import Account, Charge, Tally, Tariff, tally
from generation_service.core.replies import Reply
from generation_service.core.status import Kind


class Bill:
    """Of one client's lot. Threads may add to it; read it when they are done."""

    def __init__(self, client: str, tariff: Tariff) -> None:
        self.client = client
        self._tariff = tariff
        self._answers: list[tuple[Account, Charge, bool]] = []

    def add(self, kind: Kind, reply: Reply, *, done: bool) -> None:
        """Add an answer; it is `done` if it brought a usable text."""
        account = self._tariff.account(self.client, kind, simulated=reply.simulated)
        self._answers.append((account, self._tariff.charge(kind, reply), done))

    def tallies(self) -> Mapping[Account, Tally]:
        by_account = defaultdict(list)
        for account, charge, done in self._answers:
            by_account[account].append((charge, done))
        return {account: tally(answers) for account, answers in by_account.items()}
