"""Keeps the JSONL file being written within OpenAI's limits of a file."""


class Filling:
    """Counts requests and bytes; the first request always goes in."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.requests = self.bytes = 0

    def take(self, size: int) -> bool:
        """Count in a request of `size` bytes, or leave it out and return False."""
        fits = self.requests < self._max_requests and self.bytes + size <= self._max_bytes
        if not fits and self.requests:
            return False
        self.requests += 1
        self.bytes += size
        return True
