"""Entry point: `gunicorn -c gunicorn.conf.py wsgi:app`, or `flask --app wsgi`."""

import os
import sys

from dotenv import load_dotenv

from config import Config, ConfigError
from generation_service.app import create_app

load_dotenv()
try:
    config = Config.from_env(os.environ)
except ConfigError as error:
    sys.exit(f"The service can't start; mend these settings:\n{error}")
app = create_app(config)
