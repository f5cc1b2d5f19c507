"""A small file that unpacks to gigapixels is a file like any other: nobody unpacks it."""

import pkgutil
import struct
import subprocess
import sys
import tracemalloc
import zlib

import pytest

import generation_service
from generation_service.clients.images import ImageCheck, ImageProber
from tests.running import ROOT
from tests.servers import LoopbackServer, Reply

SIDE = 65_500  # 4.3 gigapixels
BLANK = zlib.compress(bytes(20_000_000), 9)


def png() -> bytes:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *[chunk(b"IDAT", BLANK)] * 100, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind, data):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def gif() -> bytes:
    size = struct.pack("<HH", SIDE, SIDE)
    blocks = b"".join(b"\xff" + bytes(255) for _ in range(8_000))
    return b"GIF89a" + size + b"\x00\x00\x00" + b"\x2c" + bytes(4) + size + b"\x00\x08" + blocks


def jpeg() -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, SIDE, SIDE, 3) + bytes(9)
    return b"\xff\xd8\xff\xc0" + frame + bytes(2_000_000)


@pytest.mark.parametrize("bomb", [png, gif, jpeg])
def test_a_bomb_is_judged_by_its_first_bytes(bomb):
    body = bomb()
    assert len(body) > 1_500_000
    with LoopbackServer({"/bomb": Reply(body=body, ranged=True)}) as server:
        prober = ImageProber(allowed_private=server.allowed)
        tracemalloc.start()
        try:
            ((_, check),) = prober.check([server.url("/bomb")])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert check == ImageCheck(reachable=True)
    assert peak < len(body)


def test_nothing_of_the_service_can_decode_an_image():
    found = pkgutil.walk_packages(generation_service.__path__, "generation_service.")
    modules = [module.name for module in found]
    assert len(modules) > 50
    program = f"import sys, {', '.join(modules)}; print({{'PIL', 'cv2'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
