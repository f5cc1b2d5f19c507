"""A person at a browser, and what the browser has to complain about."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.browser.world import PASSWORD, World


@dataclass
class Visitor:
    """`complaints` are errors of scripts and of the console, `hosts` whoever was asked."""

    page: Page
    world: World
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, path: str) -> None:
        self.page.goto(self.world.service.base_url + path)

    def log_in(self, password: str = PASSWORD) -> None:
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def enter(self, path: str) -> None:
        """Open a page of the operators, logging in on the way."""
        self.open(path)
        self.log_in()
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def mark(self) -> None:
        """Leave a mark that is gone when the page is loaded anew."""
        self.page.evaluate("window.marked = true")

    def is_marked(self) -> bool:
        return self.page.evaluate("window.marked === true") is True

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def asked(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


def visit(browser: Browser, world: World, **context: object) -> Visitor:
    """Open a browser of its own: no cookie is shared. `context` is as in Browser.new_context."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    visitor = Visitor(page, world)
    page.on("console", visitor.heard)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("request", visitor.asked)
    return visitor
