"""Entry point: `gunicorn -c gunicorn.conf.py wsgi:app`, or `flask --app wsgi`."""

import os
import sys

from dotenv import load_dotenv
from sqlalchemy.exc import SQLAlchemyError

from config import Config, ConfigError
from generation_service.app import create_app
from generation_service.db.embedded_files import EmbeddedPostgresError

load_dotenv()
try:
    config = Config.from_env(os.environ)
except ConfigError as error:
    sys.exit(f"The service can't start; mend these settings:\n{error}")
try:
    app = create_app(config)
except (EmbeddedPostgresError, SQLAlchemyError) as error:
    # An orderly exit: Gunicorn starts the worker again, where after any exception it would stop.
    sys.exit(f"The database can't be used: {error}")
