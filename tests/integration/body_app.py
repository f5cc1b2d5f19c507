"""A Flask app that only reads bodies, to be run by Gunicorn in tests."""

from flask import Flask, Response, request

from generation_service.api import errors, responses
from generation_service.api.body import BodyReader
from generation_service.api.responses import json_response

app = Flask(__name__)
responses.install(app)
errors.install(app)
bodies = BodyReader(100_000, grace=0.2)


@app.post("/")
def read() -> Response:
    return json_response({"keys": sorted(bodies.json_object(request))})
