"""What came of an order on the page where operators try one, in words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from generation_service.admin.job_words import photo_fault
from generation_service.admin.languages import Language, language
from generation_service.admin.recipes import Recipe
from generation_service.core.charges import Account, Charge, Tally, total
from generation_service.core.errors import ServiceError
from generation_service.core.prices import Price, price_of
from generation_service.pipeline.repeat import Answer
from generation_service.pipeline.resources import Resources

_PHOTO: Final = re.compile(r"lots\[0\]\.images\[(\d+)\](?:\.url)?")
_PLACES: Final = {
    "lots[0].images": "Photos",
    "lots[0].additional_info": "Seller's words",
    "languages": "Languages",
}
_LANGUAGE: Final = re.compile(r"languages\[(\d+)\]")
_NEVER_RIGHT: Final = frozenset({"invalid_json", "invalid_request", "unknown_language"})
_OPENAI_COULD_NOT: Final = "openai_download_failed"


@dataclass(frozen=True, slots=True)
class Text:
    """A description in one language, or why there is none."""

    language: Language
    damages: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the bill; `cost_nanos` is None where the model has no price."""

    account: Account
    charge: Charge
    cost_nanos: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """`status` is the answer's; `replayed`: it is an earlier request's, and nothing was paid."""

    status: int
    error: str | None = None
    details: Sequence[tuple[str, str]] = ()
    texts: Sequence[Text] = ()
    missing: Sequence[Missing] = ()
    seconds: float = 0
    replayed: bool = False
    bill: Sequence[Line] = ()
    recipes: Sequence[Recipe] = ()

    @property
    def simulated(self) -> bool:
        return any(line.account.simulated for line in self.bill)

    @property
    def sum(self) -> Charge:
        return total([line.charge for line in self.bill])

    @property
    def priced(self) -> bool:
        return all(line.cost_nanos is not None for line in self.bill)


def succeeded(
    resources: Resources, answer: Answer, seconds: float, recipes: Sequence[Recipe]
) -> Tried:
    lot = answer.document["lots"][0]
    return Tried(
        status=answer.status,
        texts=_texts(lot),
        missing=_missing(resources, lot["missing_images"]),
        seconds=seconds,
        replayed=answer.replayed,
        bill=_bill(answer.billed, resources.settings.model_prices),
        recipes=recipes,
    )


def failed(resources: Resources, error: ServiceError, recipes: Sequence[Recipe]) -> Tried:
    """An order that can never be right has no recipe."""
    unreachable = error.extra.get("unreachable_urls")
    return Tried(
        status=error.http_status,
        error=error.message,
        details=[(place(path), message) for path, message in error.details],
        missing=_missing(resources, unreachable if isinstance(unreachable, list) else []),
        recipes=() if error.code in _NEVER_RIGHT else recipes,
    )


def place(path: str) -> str:
    """What the form calls a place in the request's body."""
    if found := _PHOTO.fullmatch(path):
        return f"Photo {int(found[1]) + 1}"
    if found := _LANGUAGE.fullmatch(path):
        return f"Language {int(found[1]) + 1}"
    return _PLACES.get(path, path)


def _texts(lot: Mapping[str, Any]) -> list[Text]:
    done = [Text(language(each["language"]), each["damages"]) for each in lot["descriptions"]]
    lacking = [
        Text(language(each["language"]), None, each["error"]["message"])
        for each in lot.get("failed_languages", ())
    ]
    return done + lacking


def _missing(resources: Resources, urls: Sequence[str]) -> list[Missing]:
    """Look at them again for the reason, which answers don't tell.

    What can be fetched from here is a photo that OpenAI itself could not download.
    """
    checks = dict(resources.prober.check(urls, patient=False))
    return [Missing(url, photo_fault(checks[url].reason or _OPENAI_COULD_NOT)) for url in urls]


def _bill(billed: Mapping[Account, Tally], prices: Mapping[str, Price]) -> list[Line]:
    return list(_lines(sorted(billed.items()), prices))


def _lines(billed: Iterable[tuple[Account, Tally]], prices: Mapping[str, Price]) -> Iterable[Line]:
    for account, tally in billed:
        known = price_of(account.model, prices) is not None
        yield Line(account, tally.charge, tally.charge.cost_nanos if known else None)
