"""A word in a document is nowhere any more once the document was deleted: not in the database, nor in Redis,
the blob store, the index, the logs; whoever was shown it, and whatever broke off or was away at the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import text

from adapters.disk.blobs import DiskBlobs
from adapters.http.rag_service import RagService
from adapters.redis.replies import RedisReplyLogs
from application.chat import events
from application.files.burying import bury
from application.files.erase_file import LATE, EraseFile
from application.indexing.index_document import IndexDocument
from application.indexing.queueing import queue_indexing
from application.jobs.work_off import LEASE
from application.personal_data.renew_archives import RenewArchives
from application.ports.knowledge import Knowledge
from application.ports.replies import Batch
from application.retrieval.own_index import OwnIndex
from domain.conversation import Source, Speaker
from domain.document import FileId, IndexState
from domain.job import JobKind
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.conftest import Valkey
from tests.contracts.stores import SqlStore, sql_store
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.extraction import FakeExtractor
from tests.fakes.mortal import Fuse, MortalWork, PowerCut, mortal
from tests.integration.house import House, Told, User, a_house
from tests.integration.http.logged import logged
from tests.integration.http.staff import ADA, TIM, call, staff
from tests.integration.http.staff import id_of as staff_id_of
from tests.integration.leaving import receipt
from tests.integration.served import NO_AVATARS, served
from tests.integration.stores import Stores
from tests.integration.waiting import until
from tests.migrated import migrated
from tests.postgresql import fresh_database
from tests.servers.llm_service import LlmServiceServer
from tests.servers.rag_service import RagServiceServer
from tests.servers.script import Script

CHAT, KNOWLEDGE, PUBLIC = CANARIES = ("quetzalcoatl", "hatzegopteryx", "arambourgiania")
NAMED = "pteranodon"  # in the names of all of them, which messages and notifications may keep
ASKS = "According to the document, how wide were the wings?"
DUE = text(
    "UPDATE job SET run_at = (SELECT min(created_at) FROM job)"
    " WHERE kind = 'erase_file' AND state = 'waiting'"
)


def passage(canary: str) -> str:
    return f"The wings of the {canary} were ten metres wide."


@pytest.fixture(scope="module")
async def llm() -> AsyncIterator[LlmServiceServer]:
    """It does not quote: what an answer says is the reader's, and stays with him."""
    async with LlmServiceServer(Script(pieces=["Very ", "wide [1]."])) as server:
        yield server


@pytest.fixture
async def rag() -> AsyncIterator[RagServiceServer]:
    async with RagServiceServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "rag service"])
async def house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis: object,
    valkey: Valkey,
    llm: LlmServiceServer,
    rag: RagServiceServer,
) -> AsyncIterator[House]:
    more: dict[str, str] = {}
    if request.param == "postgresql":
        more["DATABASE_URL"] = await fresh_database(request.getfixturevalue("postgresql"))
    elif request.param == "rag service":
        more["RAG_URL"] = rag.url
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **more) as house:
        yield house


@dataclass(frozen=True, slots=True)
class School:
    """A student, her friend, and who teaches them; each canary is in a document of its own kind."""

    ann: User
    ben: User
    tim: User
    session: int  # in which Ann's first document lies
    files: dict[str, int]

    async def delete(self, canary: str) -> httpx.Response:
        """As the one who may: by its number or by its name. An archive that is just being made would delay it
        by the length of a lease."""
        await until(lambda: _archived(self.ann))
        client, user = self.ann.house.client, self.tim if canary == PUBLIC else self.ann
        path = f"files/{self.files[canary]}" if canary == KNOWLEDGE else f"upload/{_name(canary)}"
        answer = await client.delete(f"/api/{path}", headers=user.headers)
        assert answer.status_code == 200, answer.text
        return answer

    async def shown(self, user: User) -> str:
        """What the user sees of sources in all versions of his answers."""
        told = []
        for session in (await user.get("/api/chat/history")).json():
            for message in await user.messages(session["id"]):
                versions = (await user.get(f"/api/message/{message['id']}/versions")).json()
                told += [version.get("sources") for version in versions]
        return repr(told)


def _name(canary: str) -> str:
    return f"{NAMED} {CANARIES.index(canary)}.txt"


async def opened(house: House, folder: Path) -> School:
    """Everybody has asked about everything that he may see, twice; Ann and Ben have archives waiting."""
    ann, ben = await house.user("ann@example.org"), await house.user("ben@example.org")
    tim = await staff(house, TIM, "tutor")
    session, files = 0, {}
    for canary in CANARIES:
        path = folder / _name(canary)
        path.write_text(passage(canary), "utf-8")
        if canary == CHAT:
            answer = await ann.upload(path)
            session = answer.json()["session_id"]
        else:
            user = tim if canary == PUBLIC else ann
            answer = await user.post("/api/upload", files={"file": (path.name, path.read_bytes())})
        assert answer.json()["rag_status"] == "indexed", answer.text
        files[canary] = answer.json()["file_id"]
        path.unlink()
    school = School(ann, ben, tim, session, files)
    for user in (ann, ben):
        first = await user.ask(ASKS, use_documents="true")
        again = Told.from_response(await user.post(f"/api/chat/{first.session}/regenerate"))
        assert first.text == again.text == "Very wide [1]."
        assert PUBLIC in repr(again.sources)
        await until(partial(_archived, user))
    shown = await school.shown(ann)
    assert all(canary in shown for canary in CANARIES)
    return school


async def _archived(user: User) -> bool:
    return bool((await user.get("/api/user/export")).json()["status"] == "ready")


async def test_nothing_is_left_of_what_was_deleted(
    house: House, rag: RagServiceServer, tmp_path: Path
) -> None:
    with logged() as logs:
        folder = tmp_path / "brought"
        folder.mkdir()
        school = await opened(house, folder)
        stores = Stores(house, rag)
        indexed = "rag" if rag.bases else "passage"
        for canary in CANARIES:
            assert await stores.where(canary) >= {"message", "blobs", "redis", indexed}

        for canary in CANARIES:
            answer = await school.delete(canary)
            assert (answer.json()["deleted_chunks"], "index_cleanup" in answer.json()) == (1, False)
            assert canary not in await school.shown(school.ann) + await school.shown(school.ben)

        await until(lambda: _nothing(stores), 20)
        assert not [word for word in (*CANARIES, NAMED) if word in logs.text]
    await still_there(school)


@pytest.mark.parametrize("house", ["postgresql", "rag service"], indirect=True)
async def test_nor_of_what_went_with_the_session_it_was_brought_into(
    house: House, rag: RagServiceServer, tmp_path: Path
) -> None:
    with logged() as logs:
        school = await opened(house, tmp_path)
        asked = await school.ann.ask(ASKS, school.session)
        assert CHAT in repr(asked.sources)
        gone = await house.client.delete(f"/api/chat/{school.session}", headers=school.ann.headers)
        assert gone.status_code == 200

        async def withdrawn() -> bool:
            """By a job, from the answers in other sessions."""
            return CHAT not in await school.shown(school.ann)

        await until(withdrawn)
        for canary in (KNOWLEDGE, PUBLIC):
            await school.delete(canary)

        await until(lambda: _nothing(Stores(house, rag)), 20)
        assert not [canary for canary in CANARIES if canary in logs.text]


async def _nothing(stores: Stores) -> bool:
    """Nothing is left; what waits for its time is told that it has come."""
    async with sql_store(stores.house.settings.sqlalchemy_url) as store, store.engine.begin() as connection:
        await connection.execute(DUE)
        left = (await connection.execute(text("SELECT id FROM stored_file"))).all()
    return not left and not await stores.traces(*CANARIES)


async def still_there(school: School) -> None:
    """What was said, and the archive that Ann waits for."""
    for user in (school.ann, school.ben):
        for session in (await user.get("/api/chat/history")).json():
            messages = await user.messages(session["id"])
            assert not any(message.get("sources") for message in messages)
            if session["id"] != school.session:
                assert [message["content"] for message in messages] == [ASKS, "Very wide [1]."]
        await until(partial(_archived, user))
        answer = await user.ask(ASKS, use_documents="true")
        assert answer.sources == []
    (brought,) = await school.ann.messages(school.session)
    assert brought["content"] == f"Uploaded document: {_name(CHAT)}"
    assert (brought["file_type"], brought["file_path"]) == (None, None)


async def test_a_public_document_outlives_who_brought_it_until_another_tutor_deletes_it(
    tmp_path: Path, redis: object, valkey: Valkey, llm: LlmServiceServer, rag: RagServiceServer
) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, RAG_URL=rag.url) as house:
        school, root = await opened(house, tmp_path), await staff(house)
        tim = await staff_id_of(house, TIM)
        assert (await call(root, "DELETE", f"/users/{tim}")).is_success
        await receipt(house, tim)
        again = await school.ben.ask(ASKS, use_documents="true")
        assert PUBLIC in repr(again.sources)

        another = replace(school, tim=await staff(house, ADA, "tutor"))
        for canary in CANARIES:
            assert "index_cleanup" not in (await another.delete(canary)).json()
        await until(lambda: _nothing(Stores(house, rag, spared={"user_action_log"})), 20)


async def test_a_rag_service_that_is_away_is_asked_until_it_is_back(
    tmp_path: Path, redis: object, valkey: Valkey, llm: LlmServiceServer
) -> None:
    async with AsyncExitStack() as stack:
        rag = await stack.enter_async_context(RagServiceServer())
        house = await stack.enter_async_context(
            a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, RAG_URL=rag.url)
        )
        school = await opened(house, tmp_path)
        await rag.__aexit__(None, None, None)
        for canary in CANARIES:
            assert (await school.delete(canary)).json()["index_cleanup"] == "pending"
        stores = Stores(house, rag)
        await until(lambda: _only_in_the_rag_service(stores), 15)

        back = await stack.enter_async_context(RagServiceServer(port=rag.port))
        back.bases = rag.bases
        asked = len(llm.received)
        answer = await school.ann.ask(ASKS, use_documents="true")
        assert answer.sources == []  # though it still finds them
        assert not [canary for canary in CANARIES if canary in repr(llm.received[asked:])]
        await until(lambda: _nothing(Stores(house, back)), 20)


async def _only_in_the_rag_service(stores: Stores) -> bool:
    """And in the free space of the database, which is swept at the end."""
    return {place for place in await stores.where(*CANARIES) if not place.startswith("bytes")} == {"rag"}


async def test_a_power_cut_delays_it(tmp_path: Path, llm: LlmServiceServer) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    around = {"LLM_URL": llm.url, "TMPDIR": str(temporary), **NO_AVATARS}
    async with RagServiceServer() as rag:
        bases, port = rag.bases, rag.port
        async with served(tmp_path, RAG_URL=rag.url, **around) as one:
            school = await opened(one.house, temporary)
            await rag.__aexit__(None, None, None)  # so that it does not get to the end
            for canary in CANARIES:
                await school.delete(canary)
            one.kill_everything()
    async with RagServiceServer(port=port) as back:
        back.bases = bases
        async with served(tmp_path, RAG_URL=back.url, **around) as one:
            more = {"tmp": temporary, "log": one.output}
            await until(lambda: _nothing(Stores(one.house, back, more=more)), 60)


@dataclass(frozen=True, slots=True)
class Places:
    """The real stores, without a server around them."""

    store: SqlStore
    redis: AsyncRedis
    blobs: DiskBlobs
    knowledge: Knowledge
    rag: RagServiceServer
    clock: FakeClock

    def erase_file(self, fuse: Fuse | None = None) -> EraseFile:
        logs = RedisReplyLogs(self.redis)
        if fuse is None:
            return EraseFile(
                work=self.store.work,
                reading=self.store.reading,
                knowledge=self.knowledge,
                blobs=self.blobs,
                logs=logs,
                renew_archives=RenewArchives(
                    work=self.store.work, blobs=self.blobs, calls=FakeCalls(), clock=self.clock
                ),
                calls=FakeCalls(),
                clock=self.clock,
            )
        return EraseFile(
            work=MortalWork(self.store.work, fuse),
            reading=self.store.reading,
            knowledge=mortal(self.knowledge, fuse),
            blobs=mortal(self.blobs, fuse),
            logs=mortal(logs, fuse),
            renew_archives=RenewArchives(
                work=MortalWork(self.store.work, fuse),
                blobs=mortal(self.blobs, fuse),
                calls=FakeCalls(),
                clock=self.clock,
            ),
            calls=FakeCalls(),
            clock=self.clock,
        )

    async def someone(self, email: str) -> UserId:
        async with self.store.work() as w:
            user = a_user(email)
            w.users.add(user)
            await w.commit()
        return user.id

    async def deleted(self, owner: UserId, reader: UserId, canary: str) -> FileId:
        """A public document that was read, and then deleted."""
        file = a_file(owner, f"{canary}.txt", index_name=f"{canary}.txt", public=True)
        content = passage(canary).encode()
        file.size, file.rag_status, file.disk_name = len(content), IndexState.INDEXED, uuid4().hex

        async def bytes_() -> AsyncIterator[bytes]:
            yield content

        await self.blobs.put(file.disk_name, bytes_())
        await self.store.keep(file)
        await self.knowledge.index(file)
        source = Source(1, file.original_name, 1, 0.5, passage(canary), file.id)
        async with self.store.work() as w:
            session = await a_stored_session(w, reader)
            replies = [a_message(session.id, "Very wide.", Speaker.ASSISTANT) for _ in range(2)]
            for reply in replies:
                reply.sources = [source.told]
                w.messages.add(reply)
            await w.flush()
            found = await w.files.get(file.id)
            assert found is not None
            await bury(w, found, self.clock.now())
            await w.commit()
        batches = [Batch(r.id, 1, events.frames(r.id, 0, events.sources([source]))) for r in replies]
        await RedisReplyLogs(self.redis).append(batches)
        return file.id


@asynccontextmanager
async def places(folder: Path, url: str, valkey: Valkey, *, own: bool) -> AsyncIterator[Places]:
    await asyncio.to_thread(migrated, url)
    blobs, clock = DiskBlobs(folder / "blobs"), FakeClock()
    async with (
        sql_store(url) as store,
        AsyncRedis.from_url(f"{valkey.url}?db=3") as redis,
        httpx.AsyncClient(trust_env=False) as client,
        RagServiceServer() as rag,
    ):
        await redis.flushdb()
        index: Knowledge = RagService(client, rag.url, blobs)
        if own:
            index = OwnIndex(store.new_passages(), FakeEmbedder(), FakeExtractor(), blobs)
        yield Places(store, redis, blobs, index, rag, clock)


@pytest.mark.parametrize(("database", "own"), [("sqlite", True), ("postgresql", True), ("sqlite", False)])
async def test_wherever_the_power_is_cut_the_next_run_comes_to_the_end(
    database: str, own: bool, tmp_path: Path, valkey: Valkey, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    if database == "postgresql":
        url = await fresh_database(request.getfixturevalue("postgresql"))
    async with places(tmp_path, url, valkey, own=own) as all_places:
        ann, ben = await all_places.someone("ann@example.org"), await all_places.someone("ben@example.org")
        for blows_after in range(100):
            fuse, canary = Fuse(blows_after), f"zqcanary{chr(97 + blows_after)}"
            id = await all_places.deleted(ann, ben, canary)
            try:
                await all_places.erase_file(fuse)(id)
            except PowerCut:
                await all_places.erase_file()(id)
            assert canary not in repr(all_places.rag.bases)
            if fuse.steps <= blows_after:
                break
        assert blows_after >= 6
        await all_places.store.full_text.sweep()
        assert await left_in(all_places, tmp_path, "zqcanary") == []


async def test_what_a_rag_service_takes_in_late_goes_too(tmp_path: Path, valkey: Valkey) -> None:
    """A worker fell asleep in the middle of sending it, another one did its work, and then it was deleted."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
    async with places(tmp_path, url, valkey, own=False) as all_places:
        ann, ben = await all_places.someone("ann@example.org"), await all_places.someone("ben@example.org")
        queue, clock = all_places.store.queue, all_places.clock
        id = await all_places.deleted(ann, ben, PUBLIC)
        async with all_places.store.work() as w:
            file = await w.files.get(id)
            assert file is not None
            file.deleted_at = None
            await queue_indexing(w, file, clock.now(), quietly=True)
            await w.commit()
        assert await queue.claim("asleep", clock.now(), LEASE, [JobKind.INDEX_DOCUMENT])
        clock.pass_(LEASE + timedelta(seconds=1))
        job = await queue.claim("awake", clock.now(), LEASE, [JobKind.INDEX_DOCUMENT])
        assert job is not None
        await IndexDocument(
            work=all_places.store.work, knowledge=all_places.knowledge, calls=FakeCalls(), clock=clock
        )(id, job)
        sent = dict(all_places.rag.bases)
        async with all_places.store.work() as w:
            file = await w.files.hold(id)
            assert file is not None
            await bury(w, file, clock.now())
            await w.commit()

        await all_places.erase_file()(id)
        assert all_places.rag.bases == {}
        all_places.rag.bases |= sent
        clock.pass_(LATE)
        due = [await queue.claim("awake", clock.now(), LEASE, [JobKind.ERASE_FILE]) for _ in range(2)]
        assert [job.payload for job in due if job] == [{"file_id": id}] * 2
        await all_places.erase_file()(id)
        assert all_places.rag.bases == {}
        await all_places.store.full_text.sweep()
        assert await left_in(all_places, tmp_path, PUBLIC) == []


async def left_in(places: Places, folder: Path, canary: str) -> list[str]:
    """Where the canary still is."""
    found = [str(key) for key in await places.redis.keys("chat:*")]
    if places.store.engine.dialect.name == "postgresql":
        for (name,) in await places.store.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            rows = await places.store.rows(f'SELECT t::text FROM "{name}" t')
            found += [name for (told,) in rows if canary in told]
    else:  # its log of changes and its free space too
        found += [path.name for path in folder.glob("app.db*") if canary.encode() in path.read_bytes()]
    return found + [path.name for path in (folder / "blobs").rglob("*") if path.is_file()]
