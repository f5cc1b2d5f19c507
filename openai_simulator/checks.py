"""What OpenAI checks of a request beyond its shape: the model, and what that model takes."""

from collections.abc import Mapping
from typing import Final

from openai_simulator.errors import ApiError, invalid
from openai_simulator.models import Model, find
from openai_simulator.shapes import SHAPES

_SIMULATED: Final[Mapping[str, object]] = {"stream": False, "n": 1}
# What a reasoning model takes of the sampling parameters: only the default (reasoning guide).
_ONLY_DEFAULT: Final[Mapping[str, object]] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
_NOT_REASONING: Final = ("max_tokens", "logit_bias", "logprobs", "top_logprobs", "stop")


def check_request(endpoint: str, body: Mapping[str, object]) -> Model:
    """The model asked for; raises the ApiError that OpenAI answers a faulty body with."""
    SHAPES[endpoint](body, "")
    for name, simulated in _SIMULATED.items():
        if body.get(name) not in {None, simulated}:
            raise _unsupported_value(name, f"is simulated only as {simulated}.")
    model = find(str(body["model"]))
    for name, value in body.items():
        if value is not None:
            _check_for(model, name, value)
    return model


def _check_for(model: Model, name: str, value: object) -> None:
    if name in {"reasoning_effort", "reasoning"}:
        _check_effort(model, name, value)
    elif not model.efforts:
        return
    elif name in _NOT_REASONING:
        raise _unsupported_parameter(name)
    elif name in _ONLY_DEFAULT and value != _ONLY_DEFAULT[name]:
        default = _ONLY_DEFAULT[name]
        words = f"does not support {value} with this model. Only the default ({default}) value is"
        raise _unsupported_value(name, f"{words} supported.")


def _check_effort(model: Model, name: str, value: object) -> None:
    if not model.efforts:
        raise _unsupported_parameter(name)
    effort = value.get("effort") if isinstance(value, dict) else value
    if effort is not None and effort not in model.efforts:
        supported = ", ".join(f"'{each}'" for each in model.efforts)
        words = f"does not support '{effort}' with this model. Supported values are: {supported}."
        raise _unsupported_value(name, words)


def _unsupported_parameter(name: str) -> ApiError:
    hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
    words = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
    return invalid(words, code="unsupported_parameter", param=name)


def _unsupported_value(name: str, words: str) -> ApiError:
    return invalid(f"Unsupported value: '{name}' {words}", code="unsupported_value", param=name)
