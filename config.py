"""Every setting of the service, read from the environment (and .env) and checked at start."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

MIN_KEY_CHARS = 32
MAX_WEBHOOK_ATTEMPTS = 5
OPENAI_BASE_URL = "https://api.openai.com/v1"


class ConfigError(Exception):
    """Everything that is wrong with the environment, one line each, and how to mend it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the environment's names are these in upper case. Secrets stay out of repr()."""

    port: int = 5000
    host: str = "127.0.0.1"
    data_dir: Path = Path(".data")
    """Where the embedded PostgreSQL keeps its files when DATABASE_URL is unset."""
    database_url: str | None = field(default=None, repr=False)
    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = OPENAI_BASE_URL
    shared_key: str = field(default="", repr=False)
    """The key of the client `default`, at least 32 characters."""
    vision_model: str = "gpt-6.1-terra"
    translation_model: str = "gpt-6-luna"
    image_detail: str = "high"
    vision_reasoning_effort: str = "medium"
    """Empty: the field is not sent (for models that do not reason)."""
    translation_reasoning_effort: str = "none"
    openai_poll_seconds: float = 30.0
    batch_linger_seconds: float = 10.0
    """How long a small job's requests wait for others to share an OpenAI batch with."""
    sync_deadline_seconds: float = 285.0
    max_sync_per_process: int = 56
    image_threshold: float = 0.7
    allowed_private_hosts: frozenset[tuple[str, int]] = frozenset()
    allow_unsigned_image_validation: bool = False
    max_request_bytes: int = 200_000_000
    max_job_descriptions: int = 1_000_000
    max_enqueued_tokens: Mapping[str, int] = field(default_factory=dict)
    """OpenAI's limit of enqueued prompt tokens by model; unset ones are learned."""
    max_active_openai_batches: int = 20
    webhook_retry_seconds: tuple[float, ...] = (0.0, 30.0, 60.0, 120.0, 240.0)
    public_url: str = ""
    """Where clients reach the service, for the links in webhooks; empty: links are paths."""
    web_concurrency: int = 2
    log_level: str = "INFO"
    session_secret: str | None = field(default=None, repr=False)

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        """Client -> its keys; the first one signs what is sent to the client."""
        return {"default": (self.shared_key,)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as unset, but for *_REASONING_EFFORT.

        Raises ConfigError naming every variable that is missing or wrong.
        """
        values: dict[str, Any] = {}
        faults: list[str] = []
        for setting in fields(cls):
            name = setting.name.upper()
            text = environ.get(name)
            if text is None or (not text.strip() and name not in _MAY_BE_EMPTY):
                continue
            try:
                values[setting.name] = _READERS[setting.name](text.strip())
            except ValueError as error:
                faults.append(f"{name}: {error}")
        faults += _missing(values, faults)
        if faults:
            raise ConfigError("\n".join(faults))
        return cls(**values)


_MAY_BE_EMPTY = {"VISION_REASONING_EFFORT", "TRANSLATION_REASONING_EFFORT"}


def _missing(values: Mapping[str, Any], faults: list[str]) -> list[str]:
    named = {fault.split(":")[0] for fault in faults}
    missing = []
    if "shared_key" not in values and "SHARED_KEY" not in named:
        missing.append(
            "SHARED_KEY: missing. Set the key that clients sign with, at least 32 characters, "
            "for example from: openssl rand -hex 32"
        )
    if "openai_api_key" not in values and "openai_base_url" not in values:
        missing.append(
            "OPENAI_API_KEY: missing. Set your key, or OPENAI_BASE_URL of a compatible server; "
            "`make run` brings a simulator and needs neither"
        )
    return missing


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {text!r}")
        return value

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            choices = ", ".join(repr(choice) for choice in allowed)
            raise ValueError(f"must be one of {choices}, not {text!r}")
        return text

    return read


def _header_text(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII; it looks as if something else was pasted in")
    return text


def _key(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters and be valid UTF-8")
    if len(text) < MIN_KEY_CHARS:
        raise ValueError(f"must have at least {MIN_KEY_CHARS} characters, this has {len(text)}")
    return text


def _flag(text: str) -> bool:
    return _one_of("true", "false")(text.lower()) == "true"


def _database_url(text: str) -> str:
    if not re.match(r"(postgres|postgresql|postgresql\+psycopg2)://", text):
        raise ValueError("must start with postgresql://")
    if not _is_url(text):
        raise ValueError("is not a valid URL; in user and password write @ : / as %40 %3A %2F")
    return text


def _is_url(text: str) -> bool:
    """Whether it has one host and a port that is a number, in this order."""
    try:
        parts = urlsplit(text)
        return parts.netloc.count("@") <= 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _http_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text) or not _is_url(text):
        raise ValueError(f"must be an http or https URL, not {text!r}")
    return text.rstrip("/")


def _hosts(text: str) -> frozenset[tuple[str, int]]:
    hosts = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= 65535:  # noqa: PLR2004 - TCP's highest port
            raise ValueError(f"must be a list of host:port, with the port, not {entry!r}")
        hosts.add((host.strip("[]").lower(), int(port)))
    return frozenset(hosts)


def _token_limits(text: str) -> dict[str, int]:
    limits = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        model, _, limit = entry.rpartition(":")
        if not model or not limit.isdecimal() or int(limit) < 1:
            raise ValueError(f"must be a list of model:tokens, not {entry!r}")
        limits[model] = int(limit)
    return limits


def _schedule(text: str) -> tuple[float, ...]:
    read = _number(0, 86_400)
    delays = tuple(read(part.strip()) for part in text.split(","))
    if len(delays) > MAX_WEBHOOK_ATTEMPTS:
        raise ValueError(
            f"must have at most {MAX_WEBHOOK_ATTEMPTS} delays, one before each attempt"
        )
    return delays


_text = str

_READERS: Mapping[str, Callable[[str], Any]] = {
    "port": _integer(1, 65_535),
    "host": _text,
    "data_dir": Path,
    "database_url": _database_url,
    "openai_api_key": _header_text,
    "openai_base_url": _http_url,
    "shared_key": _key,
    "vision_model": _text,
    "translation_model": _text,
    "image_detail": _one_of("low", "high", "original", "auto"),
    "vision_reasoning_effort": _one_of("", "none", "minimal", "low", "medium", "high", "xhigh"),
    "translation_reasoning_effort": _one_of(
        "", "none", "minimal", "low", "medium", "high", "xhigh"
    ),
    "openai_poll_seconds": _number(0.1, 3_600),
    "batch_linger_seconds": _number(0, 3_600),
    "sync_deadline_seconds": _number(1, 300),
    "max_sync_per_process": _integer(1, 1_000),
    "image_threshold": _number(0, 1),
    "allowed_private_hosts": _hosts,
    "allow_unsigned_image_validation": _flag,
    "max_request_bytes": _integer(1_000, 2_000_000_000),
    "max_job_descriptions": _integer(1, 100_000_000),
    "max_enqueued_tokens": _token_limits,
    "max_active_openai_batches": _integer(1, 1_000),
    "webhook_retry_seconds": _schedule,
    "public_url": _http_url,
    "web_concurrency": _integer(1, 64),
    "log_level": _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    "session_secret": _key,
}
