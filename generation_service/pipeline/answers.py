"""The answers in a file of an OpenAI batch, for whoever records them and whoever only looks."""

from collections.abc import Iterator

import structlog

from generation_service.core.replies import read_line
from generation_service.core.requests import read_custom_id
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.settle import Answer

_log = structlog.get_logger()


def answers(resources: Resources, batch_id: object, file_id: str) -> Iterator[Answer]:
    """The file's answers as they come; OpenAIRefused when it is gone, OpenAIUnclear when cut."""
    for text in resources.openai.file_lines(file_id):
        line = read_line(text)
        request = read_custom_id(line.custom_id) if line else None
        if line and request:
            yield Answer(*request, line.reply)
        else:
            _log.warning("openai_line_unreadable", openai_batch=str(batch_id), file_id=file_id)
