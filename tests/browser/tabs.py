"""A real Chromium, and pages in it that are at home on another origin than the product."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.async_api import Browser, Page, Response, async_playwright
from typing_extensions import override

from tests.integration.house import User
from tests.servers.http import Exchange, HttpServer, Received

PAGES = Path(__file__).parent / "pages"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 45_000
LOOK_MS = 50
STREAMS = "/api/chat/stream/"

WHAT_IS_THERE = "Array.from(document.querySelectorAll('#events li'), (one) => [one.id, one.textContent])"
AS_MANY = "(many) => document.querySelectorAll('#events li').length >= many"
ENDED = "() => document.body.className === 'ended'"


def chromium() -> Path:
    found = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if found is None:
        raise FileNotFoundError(
            "the tests in tests/browser need a Chromium: install one (Debian: apt-get install chromium), "
            "or say where it is with CHROMIUM=/path/to/chromium"
        )
    return Path(found)


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """With a profile of its own, which goes with it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=FLAGS,
            headless=True,
            chromium_sandbox=os.geteuid() != 0,  # root has none
        )
        try:
            yield browser
        finally:
            await browser.close()


class Pages(HttpServer):
    """Where the front end is at home."""

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        file = PAGES / Path(request.path).name
        if not file.is_file():
            return await exchange.page(404, "Not Found")
        await exchange.answer(200, file.read_bytes(), KINDS[file.suffix])


@dataclass(frozen=True, slots=True)
class Tab:
    """A page that reads a reply."""

    page: Page
    heads: list[tuple[str, str, int]] = field(
        default_factory=list
    )  # method, path and status of what it asked
    broken: list[str] = field(default_factory=list)  # errors that its script did not catch

    def __post_init__(self) -> None:
        self.page.on("response", lambda got: self.heads.append(_head(got)))
        self.page.on("pageerror", lambda error: self.broken.append(str(error)))

    @property
    def streams(self) -> list[int]:
        """With what status its requests for a reply's events were answered."""
        return [
            status
            for method, path, status in self.heads
            if (method, path[: len(STREAMS)]) == ("GET", STREAMS)
        ]

    async def until(self, events: int) -> "Tab":
        """Until it shows so many events."""
        await self.page.wait_for_function(AS_MANY, arg=events, polling=LOOK_MS, timeout=PATIENCE_MS)
        return self

    async def to_the_end(self) -> "Shown":
        await self.page.wait_for_function(ENDED, polling=LOOK_MS, timeout=PATIENCE_MS)
        return await self.shown()

    async def shown(self) -> "Shown":
        assert not self.broken, self.broken
        events: list[tuple[str, str]] = await self.page.evaluate(WHAT_IS_THERE)
        text = await self.page.locator("#text").text_content()
        return Shown([id for id, _ in events], [json.loads(event) for _, event in events], text or "")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows; `text` is what a reader sees."""

    ids: list[str]
    events: list[dict[str, Any]]
    text: str

    @property
    def message(self) -> int:
        return int(self.ids[0].partition("-")[0])

    @property
    def numbers(self) -> list[int]:
        assert {id.partition("-")[0] for id in self.ids} == {str(self.message)}
        return [int(id.partition("-")[2]) for id in self.ids]

    @property
    def said(self) -> str:
        """The chunks, in the order in which they came."""
        return "".join(event["chunk"] for event in self.events if event["status"] == "streaming")

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A browser, and the origin of its pages."""

    browser: Browser
    origin: str

    async def open(self, page: str, user: User, **what: object) -> Tab:
        """A tab in which somebody asks `question=`, or follows `message=`."""
        context = await self.browser.new_context()
        tab = Tab(await context.new_page())
        going = urlencode({"server": user.house.url, "token": user.token, **what})
        await tab.page.goto(f"{self.origin}/{page}.html#{going}")
        return tab


def _head(got: Response) -> tuple[str, str, int]:
    return got.request.method, urlsplit(got.url).path, got.status
