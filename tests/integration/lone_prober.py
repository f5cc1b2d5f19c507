"""A process that does nothing but probe, to be killed: `python -m … DATABASE PORT`."""

import sys

from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.db.engine import make_engine
from generation_service.pipeline import probe
from generation_service.pipeline.resources import Resources

if __name__ == "__main__":
    database, port = sys.argv[1:]
    allowed = frozenset({("127.0.0.1", int(port))})
    probe.tick(
        Resources(
            engine=make_engine(database),
            openai=OpenAIClient(api_key="none", base_url="http://127.0.0.1:1/v1"),
            prober=ImageProber(allowed_private=allowed),
            settings=Config(shared_key="a-key-for-tests-of-32-characters-or-more"),
            deployment="lone-prober",
        ),
        lambda: True,
    )
