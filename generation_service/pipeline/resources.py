"""What the stages work with, put together once by the app."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from generation_service.clients.batch_api import BatchApi
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.webhooks import Receivers
from generation_service.pipeline.trouble import Outage, Trouble
from generation_service.pipeline.unbooked import Unbooked

if TYPE_CHECKING:
    from config import Config


Beat = Callable[[], bool]
"""A stage calls this as it gets on: it notes that it is alive, and answers whether to go on."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`deployment` is this installation's id: it marks our batches at OpenAI as ours."""

    engine: Engine
    openai: OpenAIClient
    prober: ImageProber
    settings: "Config"
    deployment: str
    receivers: Receivers = field(default_factory=Receivers)
    batch_api: BatchApi = field(default_factory=BatchApi)
    trouble: Trouble = field(default_factory=Trouble)
    outage: Outage = field(default_factory=Outage)
    unbooked: Unbooked = field(default_factory=Unbooked)

    @property
    def has_batch_api(self) -> bool:
        """Whether new work goes into OpenAI batches; so it does while nothing is known."""
        mode = self.settings.openai_batch_api
        return mode == "on" or (mode == "auto" and self.batch_api.exists is not False)
