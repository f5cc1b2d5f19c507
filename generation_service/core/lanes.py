"""Which way a request is asked: in an OpenAI batch, or by a direct call at full price."""

import re
from enum import StrEnum
from typing import Final

from generation_service.core.limits import BATCH_WINDOW_HOURS, FALLBACK_LEAD_HOURS


class Lane(StrEnum):
    """SYNC is a direct call for a single lot, whose client waits; no request of a job has it."""

    BATCH = "batch"
    DIRECT = "direct"
    SYNC = "sync"


FALLBACK_AFTER_SECONDS: Final = (BATCH_WINDOW_HOURS - FALLBACK_LEAD_HOURS) * 3600.0
"""So long after a run began, its deadline counts as near."""

_NO_SUCH_PATH: Final = frozenset({404, 405, 410, 501})
_UNSUPPORTED: Final = re.compile(
    r"\b(?:not|un)[ _-]?(?:supported|implemented|available|found|known)\b"
    r"|\b(?:unknown|invalid|no such)[ _](?:url|path|route|endpoint)\b",
    re.IGNORECASE,
)


def lacks_batch_api(status: int | None, said: str) -> bool:
    """Whether a server that was asked for its batches said that there is no such thing.

    Chat-only servers answer an unknown path with 404 (vLLM, llama.cpp, Ollama), some with 405 or
    501, gateways with a 400 in words of their own. What may pass (no key yet, too many requests,
    trouble of the server) says nothing.
    """
    if status == 400:  # noqa: PLR2004
        return bool(_UNSUPPORTED.search(said))
    return status in _NO_SUCH_PATH
