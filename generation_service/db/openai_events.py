"""Events from OpenAI: taken in once each, however often they are sent."""

from sqlalchemy import Connection

from generation_service.db.statements import changed


def take_in(connection: Connection, event_id: str, event_type: str) -> bool:
    """Note an event; False when it was taken in before.

    Of two at once the second waits for the first, and takes its place if that is rolled back.
    """
    noted = changed(
        connection,
        "INSERT INTO openai_events (id, type) VALUES (:id, :type) ON CONFLICT (id) DO NOTHING",
        id=event_id,
        type=event_type,
    )
    return noted == 1
