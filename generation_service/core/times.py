"""How times are written for clients: UTC, whole seconds (RFC 3339)."""

from datetime import UTC, datetime


def timestamp(moment: datetime | None) -> str | None:
    """Render as `2025-08-05T07:30:00Z`."""
    return None if moment is None else _whole(moment)


def _whole(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
