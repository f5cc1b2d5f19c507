"""`make screenshots`: a picture of every page, in both themes, as wide as a desk and a phone.

    python -m tests.browser.screenshots FOLDER

The pages show a service at work on the sample photos: finished, failed, cancelled and running
jobs, a webhook receiver that is paused, and an empty service first.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from generation_service.db.embedded import acquire
from tests import database
from tests.browser.chromium import PROGRAM, chromium
from tests.browser.pages import LOGIN, LOOKS, PAGES, Look, addresses
from tests.browser.visitor import Visitor, visit
from tests.browser.world import World, world
from tests.servers import Reply

EMPTY: Final = ("jobs", "deliveries", "overview")
BATCH_SECONDS: Final = 6
# A page is photographed whole, and then its lazy photos must have come, too.
_LOADED: Final = """
    async () => {
        for (const photo of document.images) photo.loading = "eager";
        await Promise.all([...document.images].map(photo => photo.decode().catch(() => {})));
    }
"""


def main(arguments: list[str]) -> int:
    if PROGRAM is None:
        print("Chromium is not installed; on Debian and Ubuntu: apt install chromium")
        return 2
    target = Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder)) as shown,
        chromium() as browser,
    ):
        for look in LOOKS:
            shoot(browser, shown, {f"empty-{name}": PAGES[name] for name in EMPTY}, look, target)
        paths = addresses(shown, fill(shown))
        for look in LOOKS:
            running = f"/admin/jobs/{shown.client.job(shown.lots(120), ('en', 'ru', 'de'))}"
            more = {"job-running": running, **paths, "cancel": f"{running}/cancel"}
            shoot(browser, shown, more, look, target)
    print(f"{len(list(target.glob('*.png')))} pictures are in {target}")
    return 0


@contextmanager
def stage(folder: Path) -> Iterator[World]:
    server = acquire(folder / "postgres")
    with (
        database.migrated(server) as url,
        world(folder, url, batch_seconds=BATCH_SECONDS) as shown,
    ):
        yield shown


def fill(shown: World) -> str:
    """Jobs of every fate; returns the one that has something of everything."""
    client, gone = shown.client, {"url": shown.photos.url("/deleted-by-the-seller.jpg")}
    shown.receiver.replies["/broken"] = Reply(status=500, body=b"<h1>Internal Server Error</h1>")
    failing = [lot | {"images": [gone]} for lot in shown.lots(2)]
    mixed = shown.lots(6)
    mixed[0]["images"] += [gone]
    mixed[3] |= {"images": [gone], "webhook": shown.receiver.url("/broken")}
    jobs = [
        client.job(shown.lots(24), ("en", "fr", "es", "it", "pl", "nl")),
        client.job(failing),
        client.job(mixed, ("en", "ru", "ar", "zh-Hant"), metadata={"auction": "Rotterdam, 22 Nov"}),
        client.job(shown.lots(10), ("en", "uk")),
    ]
    client.cancel(jobs[-1])
    for job in jobs:
        client.finished(job, seconds=60)
    return jobs[2]


def shoot(
    browser: Browser, shown: World, paths: Mapping[str, str], look: Look, target: Path
) -> None:
    theme, width = look
    size = {"width": width, "height": 900}
    visitor = visit(browser, shown, color_scheme=theme, viewport=size)
    visitor.open(LOGIN)
    for name, path in sorted(paths.items(), key=lambda page: page[0] != "login"):
        if name != "login" and LOGIN in visitor.page.url:
            visitor.log_in()
        _photograph(visitor, path, target / f"{name}-{theme}-{width}.png")
        if path == PAGES["try"]:
            _describe(visitor)
            _picture(visitor, target / f"tried-{theme}-{width}.png")
    visitor.page.context.close()


def _photograph(visitor: Visitor, path: str, file: Path) -> None:
    visitor.open(path)
    visitor.page.evaluate(_LOADED)
    visitor.page.wait_for_load_state("networkidle")
    _picture(visitor, file)


def _describe(visitor: Visitor) -> None:
    """Order a sample lot, one of its photos missing, and wait for the answer."""
    page, (lot, *_) = visitor.page, visitor.world.lots(1)
    photos = [image["url"] for image in lot["images"] for _ in range(2)]
    page.get_by_label("Photos").fill("\n".join([*photos, visitor.world.photos.url("/sold.jpg")]))
    page.locator("#words").fill(lot["additional_info"])
    page.get_by_label("Translation 1").fill("ru")
    page.get_by_label("Translation 2").fill("ar")
    page.get_by_label("even if it was ordered before").check()
    page.get_by_role("button", name="Describe").click()
    page.get_by_role("article").first.wait_for()


def _picture(visitor: Visitor, file: Path) -> None:
    visitor.page.screenshot(path=file, full_page=True, animations="disabled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
