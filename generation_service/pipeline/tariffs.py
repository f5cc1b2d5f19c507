"""Which tariff the answers of a lane are charged by."""

from typing import TYPE_CHECKING

from generation_service.core.charges import Tariff
from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.db.openai_batches import ClaimedBatch

if TYPE_CHECKING:
    from config import Config


def of_calls(settings: "Config", lane: Lane) -> Tariff:
    """Direct calls ask the models of the settings."""
    models = {Kind.VISION: settings.vision_model, Kind.TRANSLATION: settings.translation_model}
    return Tariff.of(lane, models, settings.model_prices)


def of_batch(settings: "Config", batch: ClaimedBatch) -> Tariff:
    """An OpenAI batch asks the model that it was packed for, whatever the settings say now."""
    return Tariff.of(Lane.BATCH, {batch.kind: batch.model}, settings.model_prices)
