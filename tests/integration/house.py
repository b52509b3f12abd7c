"""An installation under test, and somebody who uses it."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from dishka import Provider, Scope
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from adapters.argon2.hasher import Argon2Hasher
from adapters.onnx.embedder import MiniLmEmbedder
from application.ports.credentials import PasswordHasher
from application.ports.passages import Embedder
from entrypoints.server import CONNECTIONS
from entrypoints.setting_values import MINILM
from entrypoints.settings import Settings, load_settings
from entrypoints.wiring.application import create_app
from tests.free_port import free_port
from tests.migrated import migrated

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class House:
    url: str
    settings: Settings
    client: httpx.AsyncClient

    async def register(self, email: str, password: str = PASSWORD, **more: object) -> httpx.Response:
        """A full registration, with the code from the development mailbox."""
        before = len(await self.mails_to(email))
        sent = await self.client.post("/api/send_verification", json={"email": email})
        assert sent.status_code == 200, sent.text
        code = await self.code_for(email, after=before)
        return await self.client.post(
            "/api/register", json={"email": email, "password": password, "code": code, **more}
        )

    async def code_for(self, email: str, about: str = "", *, other_than: str = "", after: int = 0) -> str:
        """The newest code mailed to this address (for what `about` says), `after` so many mails."""
        for _ in range(100):
            mails = await self.mails_to(email)
            for mail in mails[: len(mails) - after]:
                found = re.search(r"\b\d{6}\b", mail["text"])
                if found and about in mail["text"] and found[0] != other_than:
                    return found[0]
            await asyncio.sleep(0.05)
        raise AssertionError(f"no code for {email}")

    async def mails_to(self, email: str) -> list[dict[str, str]]:
        mails = (await self.client.get("/dev/mailbox.json")).json()["mails"]
        return [mail for mail in mails if mail["to"] == email]

    async def user(self, email: str = "ann@example.org") -> "User":
        """Somebody who is registered and logged in."""
        registered = await self.register(email)
        assert registered.status_code == 201, registered.text
        return await self.login(email)

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Straight at the (SQLite) database, past the application; what it returns."""
        return await asyncio.to_thread(self._sql, statement)

    def _sql(self, statement: str) -> list[tuple[Any, ...]]:
        file = self.settings.sqlalchemy_url.rpartition("///")[2]
        with closing(sqlite3.connect(f"/{file.lstrip('/')}", timeout=5)) as database, database:
            return database.execute(statement).fetchall()

    async def login(self, email: str, password: str = PASSWORD) -> "User":
        answer = await self.client.post("/api/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return User(self, answer.json()["token"])


@dataclass(frozen=True, slots=True)
class User:
    house: House
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.house.client.get(path, headers=self.headers, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.house.client.post(path, headers=self.headers, **options)

    async def new_session(self, title: str = "Biology") -> int:
        answer = await self.post("/api/chat/new", json={"title": title})
        return int(answer.json()["session_id"])

    async def ask(self, message: str, session: int | None = None, **fields: str) -> "Told":
        """Ask, and read to the end."""
        form = {"message": message, **({"session_id": str(session)} if session else {}), **fields}
        answer = await self.post("/api/chat/stream", data=form)
        return Told.from_response(answer)

    async def upload(self, path: Path, session: int | None = None) -> httpx.Response:
        form = {"session_id": str(session)} if session else {}
        files = {"file": (path.name, path.read_bytes())}
        return await self.post("/api/chat/upload", data=form, files=files)

    async def answer_in(self, session: int, within: float = 5.0) -> dict[str, Any]:
        """The last answer of a session, once it is there."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            messages = await self.messages(session)
            if messages and messages[-1]["role"] == "assistant":
                return messages[-1]
            assert asyncio.get_running_loop().time() < deadline, "no answer"
            await asyncio.sleep(0.05)

    async def messages(self, session: int) -> list[dict[str, Any]]:
        answer = await self.get("/api/message/list", params={"session_id": session})
        assert answer.status_code == 200, answer.text
        listed: list[dict[str, Any]] = answer.json()
        return listed


@dataclass(slots=True)
class Told:
    """What a reader of a stream was told."""

    response: httpx.Response
    ids: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_response(cls, response: httpx.Response) -> "Told":
        told = cls(response)
        if response.status_code == 200:
            for frame in response.content.split(b"\n\n"):
                told.add(frame)
        return told

    def add(self, frame: bytes) -> None:
        if not frame or frame.startswith(b":"):
            return
        id, data = frame.split(b"\n")
        assert id.startswith(b"id: ")
        assert data.startswith(b"data: ")
        self.ids.append(id[4:].decode())
        self.events.append(json.loads(data[6:]))

    @property
    def text(self) -> str:
        return "".join(e["chunk"] for e in self.events if e["status"] == "streaming")

    @property
    def kinds(self) -> list[str]:
        """The statuses in order, runs of chunks counted once."""
        kinds: list[str] = []
        for event in self.events:
            if not (kinds and kinds[-1] == event["status"] == "streaming"):
                kinds.append(event["status"])
        return kinds

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def session(self) -> int:
        return int(self.response.headers["x-session-id"])

    @property
    def message(self) -> int:
        return int(self.response.headers["x-message-id"])

    @property
    def sources(self) -> list[dict[str, Any]]:
        return next((e["sources"] for e in self.events if e["status"] == "sources"), [])


def settings_for(folder: Path, **environ: str) -> Settings:
    """Settings of an installation in this folder; nothing of the machine's own environment counts."""
    defaults = {
        "DATA_DIR": str(folder),
        "METRICS_PORT": "0",
        "CHAT_RATE_PER_MINUTE": "0",
        "DRAIN_SECONDS": "1",
    }
    return load_settings({**defaults, **environ})


@asynccontextmanager
async def a_house(folder: Path, *overrides: Provider, **environ: str) -> AsyncIterator[House]:
    """A migrated, running installation on a free port, in this process."""
    settings = settings_for(folder, **environ)
    await asyncio.to_thread(migrated, settings.sqlalchemy_url)
    async with running(settings, *overrides) as house:
        yield house


def _cheaper_to_start(settings: Settings) -> Provider:
    """The real parts, but one embedding model for all houses, which takes longer to load than all the rest,
    and Argon2 with little memory: there are thousands of people in these tests."""
    provider = Provider(scope=Scope.APP)
    hasher = _hasher()
    provider.provide(lambda: hasher, provides=PasswordHasher, override=True)
    if settings.embedding_model == MINILM:
        embedder = _embedder(asyncio.get_running_loop())
        provider.provide(lambda: embedder, provides=Embedder, override=True)
    return provider


@cache
def _hasher() -> PasswordHasher:
    return Argon2Hasher(at_once=1, memory_kib=64)


@cache
def _embedder(_: asyncio.AbstractEventLoop) -> Embedder:
    return MiniLmEmbedder()


@asynccontextmanager
async def running(settings: Settings, *overrides: Provider) -> AsyncIterator[House]:
    port = free_port()
    app = create_app(settings, _cheaper_to_start(settings), *overrides)
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        websockets=False,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"
    # it never speaks TLS, and reading the authorities' certificates takes as long as all the rest
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, verify=False) as client:
        try:
            await _until_up(client, serving)
            yield House(url, settings, client)
        finally:
            server.stop()  # type: ignore[no-untyped-call]  # untyped in granian
            await serving


async def _until_up(client: httpx.AsyncClient, serving: "asyncio.Task[None]") -> None:
    for _ in range(400):
        if serving.done():
            serving.result()
        try:
            if (await client.get("/api/health/live")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.025)
    raise TimeoutError("the application did not come up")
