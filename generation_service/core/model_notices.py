"""What an operator should know of the configured models before they fail."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

SOON: Final = timedelta(days=60)


def shutdown_days(listed: Iterable[Mapping[str, object]]) -> dict[str, date | None]:
    """The models of a server's list, each with the day of its announced end, if any."""
    return {str(entry["id"]): _day(entry.get("shutdown_date")) for entry in listed}


def notices(
    models: Mapping[str, date | None], configured: Iterable[str], *, today: date
) -> list[str]:
    """One sentence for each configured model that is missing or will be shut down soon.

    `models` maps what the server offers to the day of its announced end, if any.
    """
    found = []
    for model in dict.fromkeys(configured):
        if model not in models:
            found.append(f"The server does not offer {model}: requests for it will fail.")
        elif (end := models[model]) is not None and end - today <= SOON:
            found.append(f"{model} will be shut down on {end}: choose its successor.")
    return found


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
