"""Gunicorn's settings; the scheduler thread starts in each worker, after the fork."""

import gc
import os
import resource
import sys
from typing import Any

from dotenv import load_dotenv
from sqlalchemy.exc import DBAPIError

from config import Config, ConfigError
from generation_service.telemetry import shared_counts

load_dotenv()
shared_counts.begin()  # before the metrics are imported: they look for their folder only once

# ruff: isort: split
from generation_service.api.body import READERS, WAITING  # noqa: E402
from generation_service.app import prepare_database  # noqa: E402
from generation_service.db.embedded_files import EmbeddedPostgresError  # noqa: E402
from generation_service.telemetry.logs import configure_logs  # noqa: E402

try:
    _config = Config.from_env(os.environ)
except ConfigError as error:
    sys.exit(f"The service can't start; mend these settings:\n{error}")

configure_logs(_config.log_level, _config.log_format)
logger_class = "generation_service.api.gunicorn_log.Logger"

bind = f"{_config.host}:{_config.port}"
workers = _config.web_concurrency
worker_class = "generation_service.api.gunicorn_worker.Worker"
# Whatever else is held up, some stay free for polling and health.
_FREE_THREADS = 16
threads = _config.max_sync_per_process + READERS + WAITING + _FREE_THREADS
graceful_timeout = 330  # a synchronous call may take 285 s
timeout = 120
keepalive = 5
accesslog = None
loglevel = "warning"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 - Gunicorn's own advice: its heartbeat must not wait for a disk


# 512 webhooks, 512 photos and the requests may be open at once, each with a socket of its own.
_FILES = 4096
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if _soft != resource.RLIM_INFINITY and _soft < _FILES:
    _reach = _FILES if _hard == resource.RLIM_INFINITY else min(_FILES, _hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_reach, _hard))


def on_starting(_server: Any) -> None:
    """Say what is wrong with the database before any worker is forked."""
    try:
        prepare_database(_config)
    except EmbeddedPostgresError as error:
        sys.exit(str(error))
    except DBAPIError as error:
        sys.exit(f"The database can't be used: {error.orig}")


def post_worker_init(worker: Any) -> None:
    # What was loaded stays: the garbage collector need not go through all of it again and again.
    gc.collect()
    gc.freeze()
    worker.wsgi.extensions["worker"].start()


def worker_exit(_server: Any, worker: Any) -> None:
    if hasattr(worker, "wsgi"):
        worker.wsgi.extensions["worker"].stop()


def child_exit(_server: Any, worker: Any) -> None:
    """Keep what a worker has counted, however it ended."""
    shared_counts.bury(worker.pid)


def on_exit(_server: Any) -> None:
    shared_counts.end()
