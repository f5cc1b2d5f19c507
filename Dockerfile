# The service alone, without the demo, the simulator and the tests: docs/operations.md, "Containers".
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/generation-service
RUN python -m venv .venv
COPY requirements.txt ./
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM python:3.11-slim-bookworm
WORKDIR /opt/generation-service
RUN useradd --system --uid 10001 --home-dir /var/lib/generation-service --create-home service
COPY --from=build /opt/generation-service/.venv .venv
COPY config.py gunicorn.conf.py wsgi.py ./
COPY migrations migrations
COPY static static
COPY templates templates
COPY generation_service generation_service
ENV PATH=/opt/generation-service/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=5000 \
    DATA_DIR=/var/lib/generation-service
USER 10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/live', timeout=4)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
