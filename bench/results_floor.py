"""The floor of results: `python -m bench.results_floor DATABASE JOB` prints a port it serves at.

Whatever is asked, the answer is the list of the job's lots: rows of a server-side cursor, in
order, each lot through json.dumps, onto the socket in large pieces.
"""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter

import psycopg2

from bench.history import LANGUAGES

_PIECE = 300_000
_ROWS = 1_500
_SELECT = """
    SELECT l.position, l.lot_id, l.status, l.missing_images, d.language, d.damages
    FROM batch_lots l JOIN descriptions d ON d.lot = l.id
    WHERE l.job_id = %s ORDER BY l.position
"""


def main() -> None:
    database_url, job = sys.argv[1:]
    connection = psycopg2.connect(database_url)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                for piece in _pieces(_lots(connection, job)):
                    peer.sendall(piece)


def _lots(connection: "psycopg2.extensions.connection", job: str) -> Iterator[bytes]:
    with connection, closing(connection.cursor("lots")) as cursor:
        cursor.itersize = _ROWS
        cursor.execute(_SELECT, (job,))
        for (_, lot_id, status, missing), rows in groupby(cursor, itemgetter(0, 1, 2, 3)):
            texts = {row[4]: row[5] for row in rows}
            lot = {
                "lot_id": lot_id,
                "status": status,
                "descriptions": [{"language": tag, "damages": texts[tag]} for tag in LANGUAGES],
                "missing_images": missing,
            }
            yield json.dumps(lot, ensure_ascii=False, separators=(",", ":")).encode()


def _pieces(lots: Iterator[bytes]) -> Iterator[bytes]:
    held = bytearray(b"[")
    separator = b""
    for lot in lots:
        held += separator + lot
        separator = b","
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held) + b"]"


if __name__ == "__main__":
    main()
