"""Every setting of the service, read from the environment (and .env) and checked at start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from generation_service.core import settings as read
from generation_service.core.prices import Price, price_of, read_prices
from generation_service.core.settings import Network

DEFAULT_CLIENT = "default"
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
    client_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Further clients; two keys of one client let it rotate them."""
    accept_v1_signatures: bool = True
    """False: only signatures that cover the whole request and expire are accepted."""
    webhook_secret: str | None = field(default=None, repr=False)
    """Signs webhooks to `default` (Standard Webhooks); unset: made from the client's key."""
    webhook_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    openai_webhook_secret: str | None = field(default=None, repr=False)
    """Verifies the events that OpenAI sends; unset: they are not taken."""
    rate_limit_sync: int = 100
    rate_limit_batch: int = 20
    rate_limit_polling: int = 1_000
    """The three are a client's requests an hour."""
    rate_limit_bad_signatures: int = 60
    """An address's badly signed requests a minute."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For tells the sender's address."""
    vision_model: str = "gpt-6.1-terra"
    translation_model: str = "gpt-6-luna"
    image_detail: str = "high"
    vision_reasoning_effort: str = "medium"
    """Empty: the field is not sent (for models that do not reason)."""
    translation_reasoning_effort: str = "none"
    openai_poll_seconds: float = 30.0
    openai_batch_api: str = "auto"
    """on, off, or auto: the server is asked at start whether it has one."""
    deadline_fallback: bool = False
    """Whether what a job's 24 hours run out for goes by direct calls, at full price."""
    direct_calls_per_process: int = 8
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
    model_prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices by model, before and beside those of core/prices.py."""
    max_job_cost_usd: Decimal | None = None
    """An order, of one lot too, that is estimated to cost more is refused; unset: none is."""
    webhook_retry_seconds: tuple[float, ...] = (0.0, 30.0, 60.0, 120.0, 240.0)
    public_url: str = ""
    """Where clients reach the service, for the links in webhooks; empty: links are paths."""
    retention_days: int = 90
    """Jobs that ended so long ago are deleted; 0: none are."""
    web_concurrency: int = 2
    log_level: str = "INFO"
    log_format: str = "json"
    """json for machines, console for people."""
    metrics_token: str | None = field(default=None, repr=False)
    """Opens GET /metrics; unset: only this machine may read it."""
    session_secret: str | None = field(default=None, repr=False)
    """Signs the cookie of the admin pages; unset: made once and kept in the database."""
    admin_password: str | None = field(default=None, repr=False)
    """Opens the admin pages; unset: there are none."""

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        """Client -> its keys; the first one signs what is sent to the client."""
        return {DEFAULT_CLIENT: (self.shared_key,), **self.client_keys}

    @property
    def signing_secrets(self) -> dict[str, str]:
        """Client -> its own secret of Standard Webhooks, for those that have one."""
        own = {} if self.webhook_secret is None else {DEFAULT_CLIENT: self.webhook_secret}
        return {**own, **self.webhook_secrets}

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
        faults += _missing(values, faults) + _clashes(values) + _unpriced(values)
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


def _clashes(values: Mapping[str, Any]) -> list[str]:
    clients = values.get("client_keys", {})
    keys = [values.get("shared_key"), *(key for each in clients.values() for key in each)]
    clashes = []
    if DEFAULT_CLIENT in clients:
        clashes.append("CLIENT_KEYS: must not name `default`, whose key is SHARED_KEY")
    if len(set(keys)) < len(keys):
        clashes.append("CLIENT_KEYS: must not give one key to two clients, or one client's twice")
    unknown = set(values.get("webhook_secrets", {})) - set(clients)
    if unknown:
        clashes.append(f"WEBHOOK_SECRETS: must name clients of CLIENT_KEYS, not {sorted(unknown)}")
    return clashes


def _unpriced(values: Mapping[str, Any]) -> list[str]:
    """A limit on costs is no limit where nobody knows what a model costs."""
    if "max_job_cost_usd" not in values:
        return []
    names = ("vision_model", "translation_model")
    asked = {values.get(name, getattr(Config, name)) for name in names}
    prices = values.get("model_prices", {})
    unknown = sorted(model for model in asked if price_of(model, prices) is None)
    return [
        f"MAX_JOB_COST_USD: the price of {model} is not known. Set it, in US dollars for a million "
        f"tokens: MODEL_PRICES={model}:in/cached/out"
        for model in unknown
    ]


_READERS: Mapping[str, Callable[[str], Any]] = {
    "port": read.integer(1, 65_535),
    "host": str,
    "data_dir": Path,
    "database_url": read.database_url,
    "openai_api_key": read.header_text,
    "openai_base_url": read.http_url,
    "shared_key": read.key,
    "client_keys": read.client_keys,
    "accept_v1_signatures": read.flag,
    "webhook_secret": read.webhook_secret,
    "webhook_secrets": read.webhook_secrets,
    "openai_webhook_secret": read.webhook_secret,
    "rate_limit_sync": read.integer(1, 1_000_000),
    "rate_limit_batch": read.integer(1, 1_000_000),
    "rate_limit_polling": read.integer(1, 1_000_000),
    "rate_limit_bad_signatures": read.integer(1, 1_000_000),
    "trusted_proxies": read.networks,
    "vision_model": str,
    "translation_model": str,
    "image_detail": read.one_of("low", "high", "original", "auto"),
    "vision_reasoning_effort": read.one_of("", "none", "minimal", "low", "medium", "high", "xhigh"),
    "translation_reasoning_effort": read.one_of(
        "", "none", "minimal", "low", "medium", "high", "xhigh"
    ),
    "openai_poll_seconds": read.number(0.1, 3_600),
    "openai_batch_api": read.one_of("auto", "on", "off"),
    "deadline_fallback": read.flag,
    "direct_calls_per_process": read.integer(1, 128),
    "batch_linger_seconds": read.number(0, 3_600),
    "sync_deadline_seconds": read.number(1, 300),
    "max_sync_per_process": read.integer(1, 1_000),
    "image_threshold": read.number(0, 1),
    "allowed_private_hosts": read.hosts,
    "allow_unsigned_image_validation": read.flag,
    "max_request_bytes": read.integer(1_000, 2_000_000_000),
    "max_job_descriptions": read.integer(1, 100_000_000),
    "max_enqueued_tokens": read.token_limits,
    "max_active_openai_batches": read.integer(1, 1_000),
    "model_prices": read_prices,
    "max_job_cost_usd": read.dollars,
    "webhook_retry_seconds": read.schedule,
    "public_url": read.http_url,
    "retention_days": read.integer(0, 36_500),
    "web_concurrency": read.integer(1, 64),
    "log_level": read.one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    "log_format": read.one_of("json", "console"),
    "metrics_token": read.header_text,
    "session_secret": read.key,
    "admin_password": read.password,
}
