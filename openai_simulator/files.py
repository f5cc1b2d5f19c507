"""Files, on disk: `ID.json` describes one, `ID.data` holds it."""

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import RLock
from typing import Final

from openai_simulator.errors import ApiError
from openai_simulator.journal import replace_json

DAYS_30: Final = 30 * 24 * 3600
OUTPUT_PURPOSE: Final = "batch_output"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """`serial` orders files; times are Unix seconds."""

    id: str
    serial: int
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str

    @property
    def document(self) -> dict[str, object]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """Hold `lock` where a file must not be deleted between being looked up and being used."""

    def __init__(self, folder: Path) -> None:
        self.lock = RLock()
        self._folder = folder
        self._uploads = folder / "uploads"
        self._uploads.mkdir(parents=True, exist_ok=True)
        for torn in self._uploads.iterdir():
            torn.unlink()
        self._files = {file.id: file for file in _stored(folder)}
        latest = max((file.serial for file in self._files.values()), default=0)
        self._serials = itertools.count(latest + 1)

    def new_upload(self) -> Path:
        return self._uploads / uuid.uuid4().hex

    def add(
        self,
        path: Path,
        *,
        filename: str,
        purpose: str,
        seconds: int | None = DAYS_30,
        ident: str | None = None,
    ) -> StoredFile:
        """Take over the file at `path`, kept for `seconds`; `ident` replaces an older one."""
        now = int(time.time())
        with self.lock:
            file = StoredFile(
                id=ident or f"file-{uuid.uuid4().hex[:24]}",
                serial=next(self._serials),
                bytes=path.stat().st_size,
                created_at=now,
                expires_at=None if seconds is None else now + seconds,
                filename=filename,
                purpose=purpose,
            )
            path.replace(self.path(file.id))
            replace_json(self._folder / f"{file.id}.json", asdict(file))
            self._files[file.id] = file
        return file

    def path(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.data"

    def get(self, file_id: str) -> StoredFile:
        """The file; raises the 404 that OpenAI gives."""
        file = self._files.get(file_id)
        if file is None:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return file

    def delete(self, file_id: str) -> None:
        with self.lock:
            self.get(file_id)
            del self._files[file_id]
            (self._folder / f"{file_id}.json").unlink()
            self.path(file_id).unlink()

    @property
    def newest_first(self) -> list[StoredFile]:
        with self.lock:
            return sorted(self._files.values(), key=lambda file: -file.serial)


def _stored(folder: Path) -> Iterator[StoredFile]:
    for path in folder.glob("*.json"):
        file = StoredFile(**json.loads(path.read_bytes()))
        if (folder / f"{file.id}.data").exists():
            yield file
