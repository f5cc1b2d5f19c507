"""Which key and secret sign a client's webhooks."""

from typing import TYPE_CHECKING

from generation_service.core.webhooks import Signer, signer

if TYPE_CHECKING:
    from config import Config


class NoKeyError(Exception):
    """The client has no key any more: an operator has taken it out of the settings."""


def signer_of(settings: "Config", client: str) -> Signer:
    """The client's first key, and its own secret if it has one; raises NoKeyError."""
    keys = settings.keys.get(client)
    if not keys:
        raise NoKeyError(f"The client {client} has no key any more to sign with.")
    return signer(keys[0], settings.signing_secrets.get(client))
