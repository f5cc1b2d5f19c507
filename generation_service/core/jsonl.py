"""Lines out of a stream of bytes."""

from collections.abc import Iterable, Iterator


def lines(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes]:
    """The lines without their ends, blank ones left out; of one that is longer, the beginning.

    Only LF ends a line (and a CR before it goes), as JSON Lines has it: other line ends may stand
    inside a JSON string.
    """
    head = bytearray()
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            head += part[: max_bytes - len(head)]
            yield from _unless_blank(head)
            head.clear()
        head += rest[: max_bytes - len(head)]
    yield from _unless_blank(head)


def _unless_blank(line: bytearray) -> Iterator[bytes]:
    if line.strip():
        yield bytes(line.removesuffix(b"\r"))
