"""The floor of a poll: a bare Flask route that reads one row, for Gunicorn to serve.

It has neither signatures nor limits. Its engine is the service's, used as SQLAlchemy's are.
"""

import os
from types import SimpleNamespace
from uuid import UUID

from flask import Flask, Response, jsonify
from sqlalchemy import text

from generation_service.db.engine import make_engine

app = Flask(__name__)
# Our gunicorn.conf.py, whose settings both are served with, starts and stops a worker.
app.extensions["worker"] = SimpleNamespace(start=lambda: None, stop=lambda: None)
_engine = make_engine(os.environ["DATABASE_URL"])
_SELECT = text("""
    SELECT id, status, run, languages, metadata, lots_total, lots_settled, lots_failed,
           images_total, images_completed, images_failed, vision_completed, vision_failed,
           translation_completed, translation_failed, error_message, created_at, updated_at
    FROM batch_jobs WHERE id = :id
""")


@app.get("/health")
def health() -> str:
    return "ok"


@app.get("/api/v1/batch-status/<job_id>")
def batch_status(job_id: str) -> Response:
    with _engine.connect() as connection:
        row = connection.execute(_SELECT, {"id": UUID(job_id)}).one()
    return jsonify(row._asdict())
