"""Whether the server has a Batch API, found out by asking for its batches."""

from typing import Final

from generation_service.clients.openai_api import (
    OpenAICallError,
    OpenAIClient,
    OpenAIMeaningless,
    OpenAIRefused,
    OpenAIUnclear,
)
from generation_service.core.lanes import lacks_batch_api

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class BatchApi:
    """What is known of it: None until the server has given a clear answer."""

    def __init__(self) -> None:
        self.exists: bool | None = None
        self._asked_in_vain = 0
        self._due_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to ask at `now`, of a monotonic clock: after a vain answer not at once again."""
        return self.exists is None and now >= self._due_at

    def ask(self, openai: OpenAIClient, now: float) -> str:
        """Ask the server, once; return the reason if the answer tells nothing, else ""."""
        reason = self._ask(openai)
        if reason:
            self._asked_in_vain += 1
            self._due_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._asked_in_vain)
        return reason

    def _ask(self, openai: OpenAIClient) -> str:
        try:
            next(openai.list_batches(), None)
        except OpenAIMeaningless:  # it has something there, whatever that is
            self.exists = True
        except (OpenAIRefused, OpenAIUnclear) as error:
            if not lacks_batch_api(error.status, str(error)):
                return str(error)
            return self._make_sure(openai)
        except OpenAICallError as error:
            return str(error)
        else:
            self.exists = True
        return ""

    def _make_sure(self, openai: OpenAIClient) -> str:
        """A proxy whose server is not up yet knows no path at all, and that costs nobody double."""
        try:
            openai.models()
        except OpenAIMeaningless:
            pass
        except OpenAICallError as error:
            return f"it knows neither its batches nor its models: {error}"
        self.exists = False
        return ""
