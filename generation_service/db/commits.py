"""What is done once a transaction is committed: what is counted or told must have happened.

`after_commit` may be called wherever the connection is at hand; whoever commits says so, and then
does what was gathered (pipeline/transactions.py). A transaction that is tried again starts empty.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

Action = Callable[[], object]
_ACTIONS: Final = "after commit"


def after_commit(connection: Connection, action: Action) -> None:
    connection.info.setdefault(_ACTIONS, []).append(action)


def take_actions(connection: Connection) -> list[Action]:
    """What was gathered since they were last taken, on this connection of the pool."""
    actions: list[Action] = connection.info.pop(_ACTIONS, [])
    return actions
