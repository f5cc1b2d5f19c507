"""Files at OpenAI, read leniently: only the id must be there."""

from dataclasses import dataclass
from typing import Final

from generation_service.core.openai_batch import as_id
from generation_service.core.text import storable

INPUT_PREFIX: Final = "openai-batch-"
"""What the names of our input files begin with. No proof: others may name theirs like that."""
_MAX_NAME: Final = 255


class MalformedFileError(ValueError):
    """The answer is no file: it has no id."""


@dataclass(frozen=True, slots=True)
class FileState:
    """`bytes` is 0 where the server does not tell."""

    id: str
    filename: str
    bytes: int


def read_file(body: object) -> FileState:
    """The file in an entry of a listing; raises MalformedFileError when it has no id."""
    file = body if isinstance(body, dict) else {}
    file_id = as_id(file.get("id"))
    if file_id is None:
        raise MalformedFileError("The answer is not a file: it has no id.")
    size = file.get("bytes")
    return FileState(
        id=file_id,
        filename=storable(str(file.get("filename") or ""), _MAX_NAME),
        bytes=size if isinstance(size, int) else 0,
    )
