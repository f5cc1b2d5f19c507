"""Errors as OpenAI words and shapes them (API reference, "Error codes")."""

from collections.abc import Mapping
from typing import Final

ORGANIZATION: Final = "org-simulator"

_QUOTA: Final = "insufficient_quota"
_SPENT: Final = "Please check your plan and billing details, or raise the limit, and try again."

# Error code -> (type, message): what a rule's "status" says when it is given no message.
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "rate_limit_exceeded": (
        "tokens",
        (
            f"Rate limit reached in organization {ORGANIZATION} on tokens per min (TPM): "
            "Limit 200000, Used 199500, Requested 1400. Please try again in 270ms."
        ),
    ),
    "slow_down": ("requests", "Slow down: your request rate rose too quickly."),
    "insufficient_quota": (_QUOTA, f"You exceeded your current quota. {_SPENT}"),
    "credit_balance_exhausted": (_QUOTA, f"Your credit balance is used up. {_SPENT}"),
    "project_spend_limit_exceeded": (_QUOTA, f"The project's spend limit is reached. {_SPENT}"),
    "organization_spend_limit_exceeded": (_QUOTA, f"The spend limit is reached. {_SPENT}"),
    "organization_usage_limit_exceeded": (_QUOTA, f"The usage limit is reached. {_SPENT}"),
    "invalid_api_key": ("invalid_request_error", "Incorrect API key provided."),
    "model_not_found": (
        "invalid_request_error",
        "The model does not exist or you do not have access to it.",
    ),
    "server_error": ("server_error", "The server had an error while processing your request."),
    "server_overloaded": ("server_error", "The server is overloaded. Please try again later."),
}
USUAL_CODE: Final[Mapping[int, str]] = {
    401: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
    500: "server_error",
    503: "server_overloaded",
}


class ApiError(Exception):
    """An answer other than success.

    `kind` is the field `type`; `retry_after` is in seconds, or the text of the header.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        retry_after: float | str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.retry_after = retry_after

    @property
    def document(self) -> dict[str, object]:
        fields = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return {"error": fields}

    @property
    def headers(self) -> dict[str, str]:
        wait = self.retry_after
        if wait is None:
            return {}
        return {"retry-after": wait if isinstance(wait, str) else f"{wait:g}"}


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    return ApiError(400, message, code=code, param=param)


def model_not_found(model: str) -> ApiError:
    return ApiError(
        404,
        f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def usual(status: int, code: str | None, message: str | None) -> ApiError:
    """The error OpenAI would give with `status` and `code`; `message` replaces its words."""
    code = code or USUAL_CODE.get(status)
    kind, words = WORDS.get(code or "", ("invalid_request_error", f"Simulated error: {code}."))
    return ApiError(status, message or words, code=code, kind=kind)
