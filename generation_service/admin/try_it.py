"""The page where an operator sees one lot described, as a client of the API would.

It is an order of the client `default` in every respect: checked, limited, billed and answered once
like any other. So a page that is loaded again, and the request that is shown to be copied, get the
answer that is there already, and nothing is paid twice.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from flask import Blueprint, current_app, g, render_template, request

from generation_service.admin import languages
from generation_service.admin.attempts import Tried, failed, succeeded
from generation_service.admin.recipes import Order, Recipe, Target, recipes
from generation_service.api import slots
from generation_service.api.body import json_refused
from generation_service.api.database import DatabaseClock
from generation_service.api.generate import KEY_HEADER
from generation_service.api.intake import receive
from generation_service.api.limits import RateLimits
from generation_service.api.lot_spool import LotSpool
from generation_service.api.orders import Orders
from generation_service.core.errors import ServiceError
from generation_service.core.idempotency import identity
from generation_service.core.limits import MAX_SYNC_IMAGES, MAX_SYNC_TRANSLATIONS
from generation_service.core.signatures import canonical_json
from generation_service.pipeline.repeat import Answer
from generation_service.pipeline.resources import Resources

CLIENT: Final = "default"
LOT_ID: Final = "try-it"
VERSION: Final = "1.0.0"
_DIGEST_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What stands in the form; `key` is new each time it is shown, and counts only if `again`.

    So a form that is sent a second time orders nothing more, and one that is sent anew does.
    """

    photos: str = ""
    words: str = ""
    english: bool = True
    others: tuple[str, ...] = ("",) * MAX_SYNC_TRANSLATIONS
    again: bool = False
    key: str = ""

    @property
    def order(self) -> Order:
        lot: dict[str, object] = {"lot_id": LOT_ID}
        if self.words:
            lot["additional_info"] = self.words
        lot["images"] = [{"url": url} for url in self.photos.split()]
        wanted = ["en"] * self.english + [tag for tag in self.others if tag]
        return {"version": VERSION, "languages": wanted, "lots": [lot]}

    @property
    def headers(self) -> dict[str, str]:
        if not self.again:
            return {}
        digest = sha256(canonical_json(self.order)).hexdigest()[:_DIGEST_CHARS]
        return {KEY_HEADER: f"{LOT_ID}-{self.key}-{digest}"}


def add(routes: Blueprint, resources: Resources) -> None:
    clock = DatabaseClock(resources.engine)

    @routes.get("/try")
    def try_it() -> str:
        return _page(Form())

    @routes.post("/try")
    def tried() -> str | tuple[str, int]:
        form = _form(g.form)
        outcome = _tried(resources, form, int(clock.now()))
        if "HX-Request" in request.headers:  # shown within the page, so it is no error for htmx
            return render_template("admin/parts/tried.html", tried=outcome, next_key=str(uuid4()))
        return _page(form, outcome), outcome.status


def _page(form: Form, tried: Tried | None = None) -> str:
    return render_template(
        "admin/try_it.html",
        form=form,
        key=str(uuid4()),
        tried=tried,
        languages=languages.common(),
        most_photos=MAX_SYNC_IMAGES,
    )


def _form(sent: Mapping[str, str]) -> Form:
    """Browsers send CR LF for each line's end, and a lone LF is what API clients send."""
    return Form(
        photos=sent.get("photos", ""),
        words=sent.get("words", "").replace("\r\n", "\n").strip(),
        english="english" in sent,
        others=tuple(
            sent.get(f"language_{number}", "").strip()
            for number in range(1, MAX_SYNC_TRANSLATIONS + 1)
        ),
        again="again" in sent,
        key=_uuid(sent.get("key", "")),
    )


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid4())


def _tried(resources: Resources, form: Form, now: int) -> Tried:
    began = time.monotonic()
    try:
        answer = _answer(resources, form)
    except ServiceError as error:
        return failed(resources, error, _recipes(resources, form, now))
    seconds = time.monotonic() - began
    return succeeded(resources, answer, seconds, _recipes(resources, form, now))


def _answer(resources: Resources, form: Form) -> Answer:
    """Order it as the API does, below the HTTP that only strangers need."""
    limits = RateLimits(resources.engine, resources.settings)
    orders = Orders(resources, limits, slots.of(current_app))
    with LotSpool() as spool:
        with json_refused():
            order = receive([json.dumps(form.order).encode()], spool, signed=lambda _piece: None)
        wanted = identity(
            order.members,
            order.lots_hash,
            client=CLIENT,
            header=form.headers.get(KEY_HEADER),
            signature=None,
        )
        return orders.answer(wanted, order)


def _recipes(resources: Resources, form: Form, now: int) -> list[Recipe]:
    settings = resources.settings
    return recipes(
        form.order,
        Target(
            base_url=(settings.public_url or request.host_url).rstrip("/"),
            key=settings.keys[CLIENT][0],
            scheme_1=settings.accept_v1_signatures,
            now=now,
            headers=form.headers,
        ),
    )
