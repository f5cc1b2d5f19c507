"""From a request to its answer: route, key, rules, work, and errors in OpenAI's shape."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from openai_simulator import calls, control
from openai_simulator.actions import Fired, Subject
from openai_simulator.batches import Batches
from openai_simulator.call_actions import AFTER, BEFORE
from openai_simulator.calls import Call
from openai_simulator.connections import Dropped, Request, Response
from openai_simulator.control import Control
from openai_simulator.errors import ApiError
from openai_simulator.parts import Parts

_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_UNREAD: Final = frozenset({"upload"})  # its body goes to disk, so no rule can look at it

Answer = Callable[[Request, str], Response]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    answer: Answer
    regex: re.Pattern[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class App:
    def __init__(self, parts: Parts, batches: Batches, control_calls: Control) -> None:
        self._parts = parts
        self._batches = batches
        self._traffic = control_calls.traffic
        served = calls.routes(batch_api=parts.settings.batch_api)
        self._routes = [
            *(_route(*route[:2], self._api(*route[2:])) for route in served),
            *(_route(*route[:2], _bound(control_calls, route[2])) for route in control.ROUTES),
        ]

    def __call__(self, request: Request) -> Response:
        name = f"{request.method} (unknown)"
        try:
            route, ident = self._find(request)
            name = route.name
            response = route.answer(request, ident)
        except ApiError as error:
            response = Response(error.status, error.document, headers=error.headers)
        except Dropped:
            self._traffic.count(name, "dropped")
            raise
        self._traffic.count(name, response.status)
        return response

    def _find(self, request: Request) -> tuple[Route, str]:
        found = [
            (route, match)
            for route in self._routes
            if (match := route.regex.fullmatch(request.path))
        ]
        for route, match in found:
            if route.method == request.method:
                return route, (match.groups() or ("",))[0]
        words = f"Invalid URL ({request.method} {request.path})"
        raise ApiError(405 if found else 404, words, code="unknown_url")

    def _api(self, point: str, handle: calls.Handle) -> Answer:
        def answer(request: Request, ident: str) -> Response:
            _check_key(request)
            with self._traffic.call():
                raw = b"" if point in _UNREAD else request.body
                fired = self._parts.rules.fire(point, Subject(raw, request.path))
                self._before(fired)
                response = handle(Call(request, ident, fired, self._parts, self._batches))
                return self._after(fired, response)

        return answer

    def _before(self, fired: Sequence[Fired]) -> None:
        for each in fired:
            if each.do in BEFORE:
                BEFORE[each.do].effect(each, self._parts.surroundings)

    def _after(self, fired: Sequence[Fired], response: Response) -> Response:
        for each in fired:
            if each.do in AFTER:
                response = AFTER[each.do].effect(each, response, self._parts.surroundings)
        return response


def _route(method: str, path: str, answer: Answer) -> Route:
    return Route(method, path, answer, re.compile(path.replace("{}", "([^/]+)")))


def _bound(target: Control, call: Callable[[Control, Request, str], Response]) -> Answer:
    return lambda request, ident: call(target, request, ident)


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(401, _NO_KEY)
