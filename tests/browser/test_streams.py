"""What a reader sees in a real browser when servers come and go in mid-answer (contract 4.1).

One page follows with `EventSource` and a ticket, the other with fetch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser.tabs import FrontEnd, Shown, Tab
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import User
from tests.integration.http.following import asking
from tests.integration.served import NO_AVATARS, Served, served
from tests.servers.http import Fault, HttpServer, Received
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy
from tests.servers.script import Script

PAGES = ("event_source", "fetch")
GAP_S = 0.05


def words(count: int) -> list[str]:
    """Some need more than a byte a letter, and one is an end of line to nobody but JavaScript."""
    return [f"wörd{n}\u2028🌱 " if n % 10 == 0 else f"word{n} " for n in range(count)]


@pytest.fixture
async def llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


def says(llm: LlmServiceServer, seconds: float) -> str:
    """What the model will answer, and how long that takes it."""
    llm.script = Script(pieces=words(int(seconds / GAP_S)), gap=GAP_S)
    return "".join(words(int(seconds / GAP_S)))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server lives, so that it can be started there again."""

    folder: Path
    environ: dict[str, str]

    def served(self, **more: str) -> AbstractAsyncContextManager[Served]:
        return served(self.folder, **(self.environ | more))


@pytest.fixture
def place(tmp_path: Path, front_end: FrontEnd, llm: LlmServiceServer) -> Place:
    port = str(free_port())
    return Place(tmp_path, {"PORT": port, "LLM_URL": llm.url, "CORS_ORIGINS": front_end.origin, **NO_AVATARS})


async def ask_in_all(front_end: FrontEnd, ann: User) -> list[Tab]:
    """Each kind of page asks a question of its own."""
    return [await front_end.open(page, ann, question=f"Tell me everything, {page}.") for page in PAGES]


def assert_whole(shown: Shown, text: str) -> None:
    """Every event once, in order, and all of the text."""
    assert shown.numbers == list(range(1, len(shown.ids) + 1))
    assert shown.said == shown.text == text
    assert shown.last["status"] == "complete"
    assert "interrupted" not in shown.last


def assert_cut_short(shown: Shown, stored: dict[str, Any], whole: str) -> None:
    """Every event once, in order, and then what is stored."""
    assert shown.numbers == list(range(1, len(shown.ids) + 1))
    assert shown.text == shown.last["text"] == stored["content"]
    assert shown.last["interrupted"] is stored["interrupted"] is True
    assert stored["content"] != ""
    assert whole.startswith(shown.said)
    assert whole.startswith(stored["content"])
    assert whole != stored["content"]


async def stored(user: User, shown: Shown) -> dict[str, Any]:
    (answer,) = [m for m in await user.messages(shown.last["session_id"]) if m["id"] == shown.message]
    return answer


async def test_the_server_where_a_reply_is_read_is_restarted(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer, own_valkey: Valkey, postgresql_database: str
) -> None:
    shared = {"REDIS_URL": own_valkey.url, "DATABASE_URL": postgresql_database}
    shared |= {"SECRET_KEY": "s" * 40, "JWT_SECRET_KEY": "j" * 40, **NO_AVATARS}
    text = says(llm, 12)
    elsewhere = replace(place, folder=place.folder / "elsewhere")
    async with served(place.folder / "here", LLM_URL=llm.url, **shared) as here:
        ann = await here.house.user()
        async with asking(ann, "Tell me everything.") as stream:
            async with elsewhere.served(**shared) as other:
                reader = User(other.house, ann.token)
                message = stream.told.message
                tabs = [await front_end.open(page, reader, message=message) for page in PAGES]
                reached = [len((await (await tab.until(10)).shown()).ids) for tab in tabs]
            async with elsewhere.served(**shared):
                for tab, had in zip(tabs, reached, strict=True):
                    shown = await tab.to_the_end()
                    assert had < len(shown.ids)
                    assert tab.streams.count(200) >= 2
                    assert_whole(shown, text)
    assert len(llm.asked("/chat/stream")) == 1


async def test_a_server_that_has_time_says_everything_before_it_ends(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer
) -> None:
    text = says(llm, 5)
    async with place.served(DRAIN_SECONDS="12") as one:
        tabs = await ask_in_all(front_end, await one.house.user())
        for tab in tabs:
            await tab.until(5)
    for tab in tabs:
        assert_whole(await tab.shown(), text)
        assert len(tab.streams) <= 1
    assert len(llm.asked("/chat/stream")) == len(PAGES)


async def test_a_server_without_time_leaves_what_is_stored(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer
) -> None:
    text = says(llm, 30)
    async with place.served(DRAIN_SECONDS="1") as one:
        ann = await one.house.user()
        tabs = await ask_in_all(front_end, ann)
        for tab in tabs:
            await tab.until(10)
    async with place.served() as one:
        ann = User(one.house, ann.token)
        for page, tab in zip(PAGES, tabs, strict=True):
            shown = await tab.to_the_end()
            kept = await stored(ann, shown)
            assert_cut_short(shown, kept, text)
            assert shown.said == kept["content"]
            again = await (await front_end.open(page, ann, message=shown.message)).to_the_end()
            assert again == shown


async def test_after_a_power_cut_the_pages_show_what_is_stored(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer
) -> None:
    text = says(llm, 30)
    async with place.served() as one:
        ann = await one.house.user()
        tabs = await ask_in_all(front_end, ann)
        for tab in tabs:
            await tab.until(20)
        one.kill_everything()
    async with place.served() as one:
        ann = User(one.house, ann.token)
        for tab in tabs:
            shown = await tab.to_the_end()
            assert_cut_short(shown, await stored(ann, shown), text)
    assert len(llm.asked("/chat/stream")) == len(PAGES)


async def test_being_refused_for_a_while_ends_nothing(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer
) -> None:
    """As by a server that is shutting down, or a proxy that finds nobody behind it."""
    text = says(llm, 8)
    async with place.served() as one, HttpServer() as nobody, TcpProxy(here(one.house.url)) as proxy:
        nobody.faults["*"] = Fault(status=503, headers={"Access-Control-Allow-Origin": "*"})
        ann = await one.house.user()
        outside = User(replace(one.house, url=f"http://127.0.0.1:{proxy.port}"), ann.token)
        tabs = await ask_in_all(front_end, outside)
        for tab in tabs:
            await tab.until(5)
        proxy.target = here(nobody.url)
        proxy.cut()
        await nobody.until(lambda: {with_ticket(asked) for asked in nobody.received} >= {True, False}, 30)
        proxy.target = here(one.house.url)
        proxy.cut()
        for tab in tabs:
            assert_whole(await tab.to_the_end(), text)
    assert len(llm.asked("/chat/stream")) == len(PAGES)


def with_ticket(asked: Received) -> bool | None:
    """Whether an `EventSource` came back, or fetch did; None for neither."""
    return None if asked.path.endswith("/ticket") else "ticket" in asked.query


def here(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.rpartition(":")[2])


async def test_three_tabs_follow_one_reply(place: Place, front_end: FrontEnd, llm: LlmServiceServer) -> None:
    text = says(llm, 3)
    async with place.served() as one:
        ann = await one.house.user()
        first = await (await front_end.open("fetch", ann, question="How?")).until(5)
        message = (await first.shown()).message
        others = [await front_end.open(page, ann, message=message) for page in PAGES]
        for tab in (first, *others):
            assert_whole(await tab.to_the_end(), text)
    assert len(llm.asked("/chat/stream")) == 1


FORGETFUL = """(url) => {
    window.heard = [];
    new EventSource(url).onmessage = (event) => window.heard.push(event.lastEventId);
}"""


async def test_a_page_that_forgets_to_close_does_not_ask_for_ever(
    place: Place, front_end: FrontEnd, llm: LlmServiceServer
) -> None:
    async with place.served() as one:
        ann = await one.house.user()
        told = await ann.ask("How?")
        ticket = (await ann.post(f"/api/chat/stream/{told.message}/ticket")).json()["ticket"]
        tab = await front_end.open("empty", ann)

        await tab.page.evaluate(FORGETFUL, f"{one.house.url}/api/chat/stream/{told.message}?ticket={ticket}")
        await asyncio.sleep(10)  # a browser comes back after three

        assert tab.streams == [200, 204]
        assert await tab.page.evaluate("window.heard") == told.ids
