"""A look at start at whether OpenAI can be reached, is OpenAI, and offers the configured models."""

from datetime import date

import structlog

from generation_service.clients.openai_api import OpenAICallError
from generation_service.core.model_notices import notices
from generation_service.pipeline.resources import Resources

_log = structlog.get_logger()


def check_models(resources: Resources, today: date) -> bool:
    """Log a warning for each thing an operator should see to; the service serves all the same.

    False: OpenAI could not be asked.
    """
    settings = resources.settings
    try:
        models = resources.openai.models()
    except OpenAICallError as error:
        _log.warning("openai_models_unknown", reason=str(error))
        return False
    if resources.openai.simulated:
        _log.warning("openai_simulated", effect="a simulator writes all texts")
    for notice in notices(models, (settings.vision_model, settings.translation_model), today=today):
        _log.warning("openai_model_notice", notice=notice)
    return True
