"""Text of strangers, made fit to be kept."""


def storable(text: str, limit: int | None = None) -> str:
    """At most `limit` characters of the text, without what PostgreSQL or UTF-8 cannot hold.

    NUL characters go, lone surrogates become question marks.
    """
    return text[:limit].replace("\x00", "").encode(errors="replace").decode()
