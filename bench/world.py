"""What is measured: a running service, its photos, and a webhook receiver."""

from dataclasses import dataclass

from demo.loopback import Receiver
from demo.samples import cars
from demo.stack import Stack
from examples.generation_service_client import Car, GenerationServiceClient
from generation_service.db.embedded import acquire

LANGUAGES = ("en", "ru", "de")


@dataclass(frozen=True)
class World:
    stack: Stack
    photos: str
    receiver: Receiver

    @property
    def client(self) -> GenerationServiceClient:
        return GenerationServiceClient(self.stack.base_url, self.stack.shared_key)

    @property
    def database_url(self) -> str:
        config = self.stack.config
        return config.database_url or acquire(config.data_dir)

    @property
    def cars(self) -> list[Car]:
        return cars(self.photos)
