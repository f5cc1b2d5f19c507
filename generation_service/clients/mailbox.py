"""A mailbox other threads may write to, whose owner sleeps in a selector."""

import socket
from collections import deque
from threading import Lock
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """`put` from any thread; the one reader waits for `fileno` to become readable."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._letters: deque[T] = deque()
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._is_open = True

    def put(self, letter: T) -> None:
        """Letters to a closed mailbox are dropped: nobody is waiting for them any more."""
        with self._lock:
            if not self._is_open:
                return
            self._letters.append(letter)
            if len(self._letters) == 1:
                self._writer.send(b"!")

    def take_all(self) -> list[T]:
        with self._lock:
            if not self._letters:
                return []
            self._reader.recv(1)
            letters = list(self._letters)
            self._letters.clear()
            return letters

    def fileno(self) -> int:
        return self._reader.fileno()

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            self._reader.close()
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
