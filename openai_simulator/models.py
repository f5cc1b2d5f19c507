"""The models that exist here, and those that were shut down."""

from dataclasses import dataclass
from typing import Final

from openai_simulator.errors import model_not_found

_EFFORTS: Final = ("none", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Model:
    """`efforts` are the reasoning efforts it takes; a model with none does not reason."""

    id: str
    created: int
    efforts: tuple[str, ...] = _EFFORTS
    shutdown_date: str | None = None

    @property
    def document(self) -> dict[str, object]:
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": "system",
            "shutdown_date": self.shutdown_date,
        }


MODELS: Final = {
    model.id: model
    for model in (
        Model("gpt-6.2-sol", 1_792_368_000),
        Model("gpt-6.1-sol", 1_788_220_800),
        Model("gpt-6.1-terra", 1_788_220_800),
        Model("gpt-6-sol", 1_780_272_000),
        Model("gpt-6-luna", 1_780_272_000),
        Model("gpt-5.6-sol", 1_775_001_600),
        Model("gpt-5.6-terra", 1_775_001_600),
        Model("gpt-5.6-luna", 1_775_001_600),
        Model("gpt-5-mini", 1_754_524_800, ("minimal", "low", "medium", "high")),
        Model("gpt-4.1", 1_744_588_800, ()),
        Model("gpt-4.1-mini", 1_744_588_800, (), "2027-01-14"),
    )
}


def find(name: str) -> Model:
    """The model, or the 404 OpenAI gives for one unknown or shut down (o4-mini is one)."""
    model = MODELS.get(name)
    if model is None:
        raise model_not_found(name)
    return model
