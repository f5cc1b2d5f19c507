"""HTTP to strangers: photos of lots and receivers of webhooks (docs/api.md §8).

A request waits its turn at its host (admission.py), its name is looked up (resolver.py), every
address is judged (addresses.py) and pinned, and libcurl dials it (curl_handle.py, curl_loop.py),
where the socket's address is judged once more. So neither a name that changes its mind between
check and use nor a redirect leads inside, and a connection used again is one that was judged.
"""

import time
from typing import Final, Generic, Self, TypeVar

import pycurl

from generation_service.clients.addresses import Allowed, refusal
from generation_service.clients.admission import Admission, Share, Slots
from generation_service.clients.curl_handle import BROKEN_OFF, CurlHandle, Hop
from generation_service.clients.curl_loop import CurlLoop
from generation_service.clients.exchange import Exchange
from generation_service.clients.fair_queue import FairQueues
from generation_service.clients.lookups import Lookups
from generation_service.clients.messages import Answer, Outgoing
from generation_service.clients.presence import Presence
from generation_service.clients.resolver import Question, Resolution, Resolver
from generation_service.clients.urls import BadUrlError, Target, parse_target, redirected

__all__ = ["Answer", "Outgoing", "Transfers"]

T = TypeVar("T")
_RECHECK_SECONDS: Final = 0.05  # how soon a slot given back by another thread is noticed
_MAX_PINS: Final = 8


class Transfers(Generic[T]):
    """Many requests at once, driven by the one thread that calls `add` and `wait`.

    At most `max_in_flight` run at a time and `max_per_host` to one host:port; the others queue,
    first in first out for each host; askers take turns, and so do the hosts of each. Their clocks
    start when they run. They make progress only inside `wait`; if its caller stays away for long
    (presence.py), that counts as nobody's time, and a GET that fails by it is begun once more.
    `share` puts the caps of a whole process in place of the two numbers; a `resolver` may be shared
    too, and its cache with it.
    """

    def __init__(
        self,
        *,
        allowed_private: Allowed,
        max_in_flight: int,
        max_per_host: int,
        resolver: Resolver | None = None,
        share: Share | None = None,
    ) -> None:
        self._allowed_private = allowed_private
        self._share = share or Slots(max_in_flight, max_per_host).join()
        self._presence = Presence()
        self._lookups: Lookups[Exchange[T]] = Lookups(resolver or Resolver(), self._presence)
        waker = self._lookups.mailbox.fileno()
        self._loop = CurlLoop(waker, self._presence, idle_connections=max_in_flight)
        self._queue: FairQueues[str | None, tuple[str, int], Exchange[T]] = FairQueues()
        self._active: dict[pycurl.Curl, tuple[CurlHandle, Exchange[T]]] = {}
        self._idle: list[CurlHandle] = []
        self._answers: list[tuple[T, Answer]] = []
        self._in_flight = 0
        self._recheck_at = 0.0

    @property
    def in_flight(self) -> int:
        """Requests added whose answers `wait` has not handed out yet, queued ones included."""
        return self._in_flight

    def add(self, tag: T, request: Outgoing) -> None:
        """Queue a request; `wait` hands out its answer with `tag`, whatever becomes of it."""
        self._in_flight += 1
        try:
            target = parse_target(request.url)
        except BadUrlError as error:
            self._answers.append((tag, Answer(error="bad_url", message=str(error))))
        else:
            self._enqueue(Exchange(tag, request, target, self._presence, request.redirects))

    def wait(self, seconds: float) -> list[tuple[T, Answer]]:
        """Answers as soon as there are any; none after `seconds`, or when nothing is in flight."""
        deadline = time.monotonic() + seconds
        self._presence.note()
        self._admit()
        while self._in_flight and not self._answers:
            left = deadline - time.monotonic()
            self._turn(max(0.0, left))
            if left <= 0:
                break
        answers, self._answers = self._answers, []
        self._in_flight -= len(answers)
        return answers

    def withdraw_parked(self) -> list[T]:
        """Take back what waits for hosts that are parked; it gets no answer. Returns the tags."""
        parked = [key for key in self._queue.resting() if self._share.is_parked(key)]
        tags = [exchange.tag for key in parked for exchange in self._queue.withdraw(key)]
        self._in_flight -= len(tags)
        return tags

    def close(self) -> None:
        """Break off what is under way; its answers are lost."""
        self._loop.close()
        self._lookups.mailbox.close()
        self._share.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _turn(self, seconds: float) -> None:
        patience = min(seconds, self._lookups.patience())
        for ended in self._loop.poll(min(patience, _RECHECK_SECONDS) if self._queue else patience):
            self._ended(*ended)
        for exchange, resolution in self._lookups.take_answered():
            self._resolved(exchange, resolution)
        if time.monotonic() >= self._recheck_at:
            self._recheck_at = time.monotonic() + _RECHECK_SECONDS
            self._queue.wake_all()
        self._admit()

    def _enqueue(self, exchange: Exchange[T]) -> None:
        target = exchange.target
        judged = (target.host,) if target.is_literal else ()
        reason = self._refusal(target, judged)
        if reason:
            self._fail(exchange, "address_refused", reason)
        else:
            self._queue.push(exchange.request.asker, target.key, exchange)

    def _admit(self) -> None:
        while not self._share.is_full():
            popped = self._queue.pop(self._share.take)
            if popped is None:
                return
            exchange, admission = popped
            if admission is Admission.NOW:
                self._start(exchange)
            else:
                message = f"{exchange.target.host} accepted no connections lately."
                self._fail(exchange, "host_parked", message)

    def _start(self, exchange: Exchange[T]) -> None:
        exchange.start()
        if exchange.target.is_literal:
            self._dial(exchange, ())
            return
        seconds = exchange.connect_seconds_left()
        question = Question(exchange.target.host, exchange.request.asker)
        known = self._lookups.ask(question, exchange, seconds)
        if known:
            self._resolved(exchange, known)

    def _resolved(self, exchange: Exchange[T], resolution: Resolution) -> None:
        error = "dns_failed" if resolution.error else "address_refused"
        reason = resolution.error or self._refusal(exchange.target, resolution.addresses)
        if reason is None:
            self._dial(exchange, resolution.addresses[:_MAX_PINS])
            return
        exchange.spent += exchange.elapsed()
        was_tried = resolution.error is not None and not resolution.given_up
        self._give(exchange, connected=False if was_tried else None)
        self._fail(exchange, error, reason)

    def _refusal(self, target: Target, addresses: tuple[str, ...]) -> str | None:
        """Why not to dial any of these: one bad address refuses the whole name.

        Be it a trap or a mistake, the verdict must not depend on which address is tried first.
        """
        for each in addresses:
            reason = refusal(each, target.host, target.port, self._allowed_private)
            if reason:
                return reason
        return None

    def _dial(self, exchange: Exchange[T], addresses: tuple[str, ...]) -> None:
        handle = self._idle.pop() if self._idle else CurlHandle(self._allowed_private)
        hop = Hop(
            target=exchange.target,
            addresses=addresses,
            connect_seconds=exchange.connect_seconds_left(),
            total_seconds=exchange.total_seconds_left(),
            may_redirect=exchange.request.redirects > 0,
        )
        handle.begin(exchange.request, hop)
        self._active[handle.curl] = (handle, exchange)
        exchange.dialled()
        self._loop.start(handle.curl)

    def _ended(self, curl: pycurl.Curl, code: int, text: str) -> None:
        handle, exchange = self._active.pop(curl)
        answer = handle.answer(code, text, exchange.spent + exchange.elapsed())
        location = None if answer.error else handle.redirect
        handle.forget()
        self._idle.append(handle)
        is_ours = exchange.was_missed and code in BROKEN_OFF and answer.error is not None
        was_tried = answer.error != "address_refused" and not is_ours
        connected = answer.error != "connect_failed" if was_tried else None
        self._give(exchange, connected=connected)
        if is_ours and exchange.may_repeat():
            self._enqueue(exchange)
        elif location is None:
            self._answers.append((exchange.tag, answer))
        else:
            exchange.spent = answer.seconds
            self._follow(exchange, location)

    def _follow(self, exchange: Exchange[T], location: str) -> None:
        if exchange.redirects_left == 0:
            message = f"It redirects more than {exchange.request.redirects} times."
            self._fail(exchange, "too_many_redirects", message)
            return
        try:
            exchange.target = redirected(exchange.target, location)
        except BadUrlError as error:
            self._fail(exchange, "bad_url", str(error))
            return
        exchange.redirects_left -= 1
        self._enqueue(exchange)

    def _give(self, exchange: Exchange[T], *, connected: bool | None) -> None:
        self._share.give(exchange.target.key, connected=connected)
        self._queue.wake(exchange.target.key)

    def _fail(self, exchange: Exchange[T], error: str, message: str) -> None:
        answer = Answer(error=error, message=message, seconds=exchange.spent)
        self._answers.append((exchange.tag, answer))
