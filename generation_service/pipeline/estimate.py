"""What an order will probably cost and how long it takes, from what is known by now.

Asked by clients before they order, and of every order that a limit on costs applies to.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from generation_service.core import batch_rounds, cost_estimates
from generation_service.core.batch_rounds import Load
from generation_service.core.cost_estimates import ENGLISH_BYTES, ENOUGH_TEXTS, Model, Share, Texts
from generation_service.core.errors import ServiceError
from generation_service.core.lanes import Lane
from generation_service.core.languages import translations
from generation_service.core.limits import MAX_ENQUEUED_LIMIT
from generation_service.core.lots import GenerationRequest, LotGroup
from generation_service.core.order_estimates import Estimate, unpriced_note
from generation_service.core.prices import nanos, price_of
from generation_service.core.prompts import batch_line
from generation_service.core.status import Kind
from generation_service.core.token_estimates import Usage, percent
from generation_service.db import model_limits, operations, token_estimates, usage
from generation_service.pipeline import bodies
from generation_service.pipeline.resources import Resources

if TYPE_CHECKING:
    from config import Config

_NEWEST_HOURS: Final = 1_000
"""Rows of usage_hours that are looked at: at least days of a busy deployment, in a millisecond."""
_A_CUSTOM_ID: Final = "123456789-1"


def estimate(connection: Connection, resources: Resources, request: GenerationRequest) -> Estimate:
    """Estimate the order; no photo is fetched, and nothing is stored."""
    settings = resources.settings
    models = _models(connection, settings, simulated=bool(resources.openai.simulated))
    wanted = len(request.lots) * len(translations(request.languages))
    vision = cost_estimates.vision(request.lots.groups, settings.image_detail, models[Kind.VISION])
    translation = cost_estimates.translation(wanted, models[Kind.TRANSLATION])
    shares = {Kind.VISION: vision, Kind.TRANSLATION: translation}
    in_batches = len(request.lots) > 1 and resources.has_batch_api
    loads = _loads(connection, settings, request, shares, models) if in_batches else []
    return Estimate(
        request=request,
        lane=Lane.BATCH if in_batches else Lane.DIRECT,
        vision=vision,
        translation=translation,
        openai_batches=sum(load.openai_batches for load in loads),
        takes=_takes(settings, request, shares, loads),
        now=operations.now(connection),
        unpriced=_unpriced(settings, translated=wanted > 0),
        limit_nanos=_limit(settings, request),
    )


def within_limit(
    connection: Connection, resources: Resources, request: GenerationRequest
) -> Estimate:
    """Estimate the order; ServiceError `cost_limit_exceeded` when that is above a limit.

    Where a model has no price the client's limit can't be kept: `invalid_request`.
    """
    found = estimate(connection, resources, request)
    if found.unpriced and request.max_cost_usd is not None:
        message = f"{unpriced_note(found.unpriced)} Until then leave this field out."
        raise ServiceError(
            "invalid_request",
            f"max_cost_usd: {message}",
            details=[("max_cost_usd", message)],
        )
    if found.too_dear:
        document = found.document()
        raise ServiceError(
            "cost_limit_exceeded",
            f"The order is estimated at {document['estimated_cost_usd']} US dollars, and "
            f"{document['max_cost_usd']} are allowed. Order less at once, or allow more.",
            extra={"estimate": document},
        )
    return found


def is_limited(settings: "Config", request: GenerationRequest) -> bool:
    return _limit(settings, request) is not None


def _unpriced(settings: "Config", *, translated: bool) -> tuple[str, ...]:
    """The models that an order needs and whose price nobody knows."""
    needed = {settings.vision_model, *([settings.translation_model] if translated else [])}
    unknown = {model for model in needed if price_of(model, settings.model_prices) is None}
    return tuple(sorted(unknown))


def _limit(settings: "Config", request: GenerationRequest) -> int | None:
    limits = (request.max_cost_usd, settings.max_job_cost_usd)
    return min((nanos(limit) for limit in limits if limit is not None), default=None)


def _models(connection: Connection, settings: "Config", *, simulated: bool) -> dict[Kind, Model]:
    names = {Kind.VISION: settings.vision_model, Kind.TRANSLATION: settings.translation_model}
    efforts = {
        Kind.VISION: settings.vision_reasoning_effort,
        Kind.TRANSLATION: settings.translation_reasoning_effort,
    }
    worth = token_estimates.every(connection, simulated=simulated)
    texts = _texts(connection, names, simulated=simulated)
    return {
        kind: Model(
            price=price_of(name, settings.model_prices),
            effort=efforts[kind],
            texts=texts.get(kind, Texts()),
            worth=worth.get((name, kind), Usage()),
        )
        for kind, name in names.items()
    }


def _texts(
    connection: Connection, models: Mapping[Kind, str], *, simulated: bool
) -> dict[Kind, Texts]:
    """What texts were billed of late. Simulated ones tell nothing of OpenAI, only of a stand-in."""
    found = usage.of_late(connection, set(models.values()), newest=_NEWEST_HOURS)
    texts = {}
    for each in sorted(found, key=lambda each: not each.simulated):
        known = models[each.kind] == each.model and each.completed >= ENOUGH_TEXTS
        if known and (simulated or not each.simulated):
            texts[each.kind] = Texts(each.completed, each.prompt_tokens, each.completion_tokens)
    return texts


def _loads(
    connection: Connection,
    settings: "Config",
    request: GenerationRequest,
    shares: Mapping[Kind, Share],
    models: Mapping[Kind, Model],
) -> list[Load]:
    names = {Kind.VISION: settings.vision_model, Kind.TRANSLATION: settings.translation_model}
    learned = model_limits.of_models(connection, set(names.values()))
    sizes = {
        Kind.VISION: _vision_bytes(settings, request.lots.groups),
        Kind.TRANSLATION: shares[Kind.TRANSLATION].requests * _translation_bytes(settings),
    }
    return [
        Load(
            model=name,
            requests=shares[kind].requests,
            tokens=shares[kind].estimated_tokens * percent(models[kind].worth) // 100,
            size=sizes[kind],
            token_limit=_lower(
                settings.max_enqueued_tokens.get(name),
                learned[name].enqueued_tokens if name in learned else None,
            ),
        )
        for kind, name in names.items()
    ]


def _lower(one: int | None, other: int | None) -> int | None:
    limit = min(one or MAX_ENQUEUED_LIMIT, other or MAX_ENQUEUED_LIMIT)
    return None if limit == MAX_ENQUEUED_LIMIT else limit


def _vision_bytes(settings: "Config", groups: Mapping[int, LotGroup]) -> int:
    bare, one = (
        len(batch_line(_A_CUSTOM_ID, bodies.vision(settings, urls, None, larger=False)))
        for urls in ([], [""])
    )
    return sum(
        group.lots * (bare + photos * (one - bare + 1)) + group.url_chars + group.info_bytes
        for photos, group in groups.items()
    )


def _translation_bytes(settings: "Config") -> int:
    body = bodies.translation(settings, "", "de", larger=False)
    return len(batch_line(_A_CUSTOM_ID, body)) + ENGLISH_BYTES


def _takes(
    settings: "Config",
    request: GenerationRequest,
    shares: Mapping[Kind, Share],
    loads: list[Load],
) -> timedelta:
    lots = len(request.lots)
    if loads:
        return batch_rounds.duration(lots, loads, settings.max_active_openai_batches)
    if lots == 1:  # its translations are asked for side by side
        steps = sum(1 for share in shares.values() if share.requests)
        return batch_rounds.direct_duration(steps, 1)
    calls = settings.direct_calls_per_process * settings.web_concurrency
    return batch_rounds.direct_duration(sum(share.requests for share in shares.values()), calls)
