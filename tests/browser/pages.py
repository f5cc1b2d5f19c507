"""Every page there is to look at, by name; `{job}` and `{delivery}` stand for ids."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from tests.browser.world import World

Look = tuple[Literal["light", "dark"], int]
LOOKS: Final[Sequence[Look]] = (
    ("light", 1280),
    ("light", 390),
    ("dark", 1280),
    ("dark", 390),
)
"""Theme and width: of a desk and of a phone."""
LOGIN: Final = "/admin/login"
PAGES: Final[Mapping[str, str]] = {
    "login": LOGIN,
    "jobs": "/admin/jobs",
    "jobs-none": "/admin/jobs?q=no-such-lot",
    "job": "/admin/jobs/{job}",
    "cancel": "/admin/jobs/{job}/cancel",
    "deliveries": "/admin/deliveries",
    "delivery": "/admin/deliveries/{delivery}",
    "endpoints": "/admin/deliveries/endpoints",
    "overview": "/admin/overview",
    "try": "/admin/try",
    "error": "/admin/nowhere",
    "docs": "/docs",
}


def addresses(world: World, job_id: str) -> dict[str, str]:
    """The pages' paths, with this job and its first delivery in them."""
    (delivery, *_) = world.client.deliveries(job_id)
    ids = {"job": job_id, "delivery": delivery["delivery_id"]}
    return {name: path.format(**ids) for name, path in PAGES.items()}
