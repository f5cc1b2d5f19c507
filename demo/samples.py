"""The sample lots of samples/lots.json, with their photos' addresses on the demo's photo server."""

import json
from pathlib import Path

from examples.generation_service_client import Car

FOLDER = Path(__file__).resolve().parent.parent / "samples"


def cars(photos_url: str) -> list[Car]:
    """The lots in the client's form; `photos_url` is where FOLDER is served, without a slash."""
    lots = json.loads((FOLDER / "lots.json").read_text())
    return [
        {
            "lot_id": lot["lot_id"],
            "additional_info": lot["additional_info"],
            "image_urls": [f"{photos_url}/{name}" for name in lot["photos"]],
        }
        for lot in lots
    ]
