"""Titles, favourites and deletion (contract 4.4), searching and versions (docs/api-additions.md)."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, User, a_house, running
from tests.integration.http.answers import ISO, fields_of, refusal
from tests.integration.http.listening import listening
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer
from tests.servers.rag_service import RagServiceServer

NO_SESSION = (404, "Session not found", "not_found")
NOT_AUTHORIZED = (404, "Session not found or not authorized", "not_found")
PLANNED = "('sweep_orphans', 'forget_jobs', 'expire_log', 'expire_sessions')"  # they wait for their hour
UNFINISHED = f"state IN ('waiting', 'running') AND kind NOT IN {PLANNED}"
NOBODYS = ["0", "x", "-1", "999999", "9" * 30, "1.5", "%20"]


async def rename(user: User, session: object, **options: Any) -> httpx.Response:
    return await user.house.client.put(f"/api/chat/{session}", headers=user.headers, **options)


async def remove(user: User, session: object, **options: Any) -> httpx.Response:
    path = f"/api/chat/{session}"
    return await user.house.client.request("DELETE", path, headers=user.headers, **options)


async def favorite(user: User, session: object, **options: Any) -> httpx.Response:
    return await user.post(f"/api/chat/{session}/favorite", **options)


async def search(user: User, **params: Any) -> list[dict[str, Any]]:
    answer = await user.get("/api/chat/search", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def line_of(user: User, session: int) -> dict[str, Any]:
    history: list[dict[str, Any]] = (await user.get("/api/chat/history")).json()
    return next(line for line in history if line["id"] == session)


class TestRenaming:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("Cells", "Cells"),
            (" x ", "x"),
            ("文" * 121, "文" * 120),
            ("", "Untitled"),
            ("[MATH] %_", "[MATH] %_"),
        ],
    )
    async def test_gives_another_title_and_its_place_in_the_history_stays(
        self, ann: User, sent: str, kept: str
    ) -> None:
        first, second = await ann.new_session("one"), await ann.new_session("two")
        before = await line_of(ann, first)
        answer = await rename(ann, first, json={"title": sent, "is_favorite": True, "user_id": 9})
        assert answer.status_code == 200
        assert fields_of(answer) == {"msg": "Session renamed", "session_id": first, "title": kept}
        assert await line_of(ann, first) == {**before, "title": kept}
        history = [line["id"] for line in (await ann.get("/api/chat/history")).json()]
        assert history.index(second) < history.index(first)

    @pytest.mark.parametrize(
        "body", [None, {}, {"title": None}, {"title": 5}, {"title": ["x"]}, {"title": "a\x00"}]
    )
    async def test_what_is_no_title_is_refused(self, ann: User, body: object) -> None:
        session = await ann.new_session("one")
        assert refusal(await rename(ann, session, json=body)) == (400, "Invalid title", "invalid_field")
        assert (await line_of(ann, session))["title"] == "one"

    async def test_bodies_are_read_as_everywhere(self, ann: User) -> None:
        session = await ann.new_session()
        assert refusal(await rename(ann, session, content=b"{"))[:2] == (400, "Malformed JSON")
        assert refusal(await rename(ann, session, json=[]))[:2] == (400, "JSON object expected")

    @pytest.mark.parametrize("session", NOBODYS)
    async def test_of_no_session(self, ann: User, session: str) -> None:
        assert refusal(await rename(ann, session, json={"title": "x"})) == NO_SESSION

    async def test_of_somebody_elses(self, ann: User, bob: User) -> None:
        session = await bob.new_session("his")
        assert refusal(await rename(ann, session, json={"title": "x"})) == NO_SESSION
        assert (await line_of(bob, session))["title"] == "his"


class TestFavourites:
    @pytest.mark.parametrize("body", [None, {}, {"is_favorite": None}, {"is_favorite": True}])
    async def test_a_session_becomes_one(self, ann: User, body: object) -> None:
        session = await ann.new_session()
        before = await line_of(ann, session)
        answer = await favorite(ann, session, json=body)
        assert answer.status_code == 200
        assert fields_of(answer) == {
            "msg": "Favorite status updated",
            "session_id": session,
            "is_favorite": True,
        }
        assert await line_of(ann, session) == {**before, "is_favorite": True}

    async def test_and_ceases_to_be_one(self, ann: User) -> None:
        session, other = await ann.new_session(), await ann.new_session()
        await favorite(ann, session), await favorite(ann, other)
        for _ in range(2):
            answer = await favorite(ann, f"00{session}", json={"is_favorite": False})
            assert fields_of(answer)["is_favorite"] is False
        assert not (await line_of(ann, session))["is_favorite"]
        assert (await line_of(ann, other))["is_favorite"]

    @pytest.mark.parametrize("value", ["true", 1, 0, [], {}, ""])
    async def test_what_is_neither_is_refused(self, ann: User, value: object) -> None:
        session = await ann.new_session()
        answer = await favorite(ann, session, json={"is_favorite": value})
        assert refusal(answer) == (400, "Invalid is_favorite", "invalid_field")
        assert not (await line_of(ann, session))["is_favorite"]

    @pytest.mark.parametrize("session", NOBODYS)
    async def test_of_no_session(self, ann: User, session: str) -> None:
        assert refusal(await favorite(ann, session)) == NO_SESSION

    async def test_of_somebody_elses(self, ann: User, bob: User) -> None:
        session = await bob.new_session()
        assert refusal(await favorite(ann, session)) == NO_SESSION
        assert not (await line_of(bob, session))["is_favorite"]


class TestDeleting:
    async def test_takes_messages_and_files_and_nothing_else(self, house: House, tmp_path: Path) -> None:
        ann = await house.user()
        kept, doomed = (await ann.ask("What is a cell?")).session, (await ann.ask("Quetzalcoatl?")).session
        for name, session in (("kept.txt", kept), ("quetzalcoatl.txt", doomed)):
            file = tmp_path / name
            file.write_text(f"The {name} had a wingspan of ten metres.", "utf-8")
            assert (await ann.upload(file, session)).json()["rag_indexed"] is True
        memories = await house.sql("SELECT max(id) FROM llm_session")

        answer = await remove(ann, doomed, json={})

        assert answer.status_code == 200
        assert fields_of(answer) == {"msg": f"Session {doomed} deleted"}
        assert [line["id"] for line in (await ann.get("/api/chat/history")).json()] == [kept]
        gone = await ann.get("/api/message/list", params={"session_id": doomed})
        assert refusal(gone)[0] == 404
        files = (await ann.get("/api/user_files")).json()["files"]
        assert [file["filename"] for file in files] == ["kept.txt"]
        told = await ann.ask("According to the document, what had a wingspan of ten metres?", kept)
        assert {source["filename"] for source in told.sources} <= {"kept.txt"}
        assert refusal(await remove(ann, doomed)) == NOT_AUTHORIZED
        assert await house.sql("SELECT max(id) FROM llm_session") == memories
        assert await ann.new_session() > doomed
        await until(lambda: _erased(house, 1))
        await until(lambda: _nothing(house, f"SELECT id FROM job WHERE {UNFINISHED}"))
        for index in ("message_fts", "passage_fts"):
            blocks = await house.sql(f"SELECT block FROM {index}_data")
            assert not any(b"quetzal" in block for (block,) in blocks), index
        assert await house.sql("SELECT original_name FROM stored_file") == [("kept.txt",)]
        assert len([p for p in Path(house.settings.upload_dir).rglob("*") if p.is_file()]) == 1
        assert await house.sql("SELECT DISTINCT file_id FROM passage") == await house.sql(
            "SELECT id FROM stored_file"
        )

    @pytest.mark.parametrize("session", NOBODYS)
    async def test_of_no_session(self, ann: User, session: str) -> None:
        assert refusal(await remove(ann, session)) == NOT_AUTHORIZED

    async def test_of_somebody_elses(self, ann: User, bob: User) -> None:
        session = (await bob.ask("x")).session
        assert refusal(await remove(ann, session)) == NOT_AUTHORIZED
        assert len(await bob.messages(session)) == 2

    async def test_stops_the_reply_at_another_worker_and_leaves_no_ghost(
        self, house: House, redis: Redis, llm: LlmServiceServer
    ) -> None:
        ann = await house.user()
        async with running(house.settings) as other, listening(ann, "x [[gap=0.02]]") as stream:
            await stream.chunk()
            elsewhere = User(other, ann.token)
            assert (await remove(elsewhere, stream.session)).status_code == 200
            async with asyncio.timeout(5):
                last = (await stream.chunks())[-1]
            assert b'"status":"complete"' in last
            assert b'"interrupted":true' in last
        await until(lambda: _gone(redis, "chat:events:*"))
        assert await house.sql("SELECT id FROM message") == []
        assert redis.keys("chat:run:*") == []

    async def test_leaves_no_copy_of_what_was_said(self, house: House, redis: Redis) -> None:
        ann = await house.user()
        told = await ann.ask("Quetzalcoatl?")
        assert redis.exists(f"chat:events:{told.message}")
        assert (await remove(ann, told.session)).status_code == 200
        assert redis.keys("chat:events:*") == []

    async def test_of_many_at_once_one_deletes(self, ann: User) -> None:
        session = (await ann.ask("x")).session
        answers = await asyncio.gather(*(remove(ann, session) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] + [404] * 5

    async def test_against_sends_nothing_is_left_and_nobody_fails(self, house: House) -> None:
        ann = await house.user()
        for _ in range(5):
            session = await ann.new_session()
            answers = await asyncio.gather(
                ann.post("/api/chat/stream", data={"message": "x", "session_id": session}),
                remove(ann, session),
            )
            assert answers[0].status_code in (200, 404, 502)
            assert answers[1].status_code == 200
        assert await house.sql("SELECT id FROM message UNION ALL SELECT id FROM session") == []

    async def test_against_uploads_nothing_is_left_of_them(self, house: House, small_file: Path) -> None:
        ann = await house.user()
        for _ in range(4):
            session = await ann.new_session()
            uploaded, removed = await asyncio.gather(ann.upload(small_file, session), remove(ann, session))
            assert uploaded.status_code in (200, 404)
            assert removed.status_code == 200
        assert (await ann.get("/api/user_files")).json()["files"] == []
        await until(lambda: _nothing(house, "SELECT id FROM stored_file"))

    async def test_an_index_that_is_away_is_asked_until_it_is_back(
        self, tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer, small_file: Path
    ) -> None:
        async with RagServiceServer() as rag:
            bases, port = rag.bases, rag.port
            async with a_house(
                tmp_path / "rag", REDIS_URL=valkey.url, LLM_URL=llm.url, RAG_URL=rag.url
            ) as house:
                ann = await house.user()
                session = await ann.new_session()
                assert (await ann.upload(small_file, session)).json()["rag_indexed"] is True
                await rag.__aexit__(None, None, None)
                assert (await remove(ann, session)).status_code == 200
                assert (await ann.get("/api/user_files")).json()["files"] == []
                await until(lambda: _tried(house))
                assert await house.sql("SELECT deleted_at IS NULL FROM stored_file") == [(0,)]
                async with RagServiceServer(port=port) as back:
                    back.bases = bases
                    await until(lambda: _nothing(house, "SELECT id FROM stored_file"), seconds=20)
                    assert small_file.name not in repr(back.bases)


async def _gone(redis: Redis, pattern: str) -> bool:
    return not redis.keys(pattern)


async def _erased(house: House, count: int) -> bool:
    done = await house.sql("SELECT id FROM job WHERE kind = 'erase_file' AND state = 'done'")
    return len(done) == count


async def _tried(house: House) -> bool:
    return await house.sql("SELECT id FROM job WHERE kind = 'erase_file' AND attempts > 0") != []


async def _nothing(house: House, query: str) -> bool:
    return await house.sql(query) == []


class TestSearching:
    async def test_finds_the_callers_messages_newest_first(self, house: House) -> None:
        ann, bob = await house.user(), await house.user("bob@example.org")
        session = await ann.new_session("Cells")
        first, second = await ann.ask("What is osmosis?", session), await ann.ask("Why osmosis?", session)
        await bob.ask("osmosis")

        answer = await ann.get("/api/chat/search", params={"q": "OSMO"})

        assert answer.headers["x-total-count"] == str(len(answer.json()))
        found = [item for item in answer.json() if item["role"] == "user"]
        for item in answer.json():
            assert set(item) == {
                "session_id",
                "session_title",
                "message_id",
                "role",
                "snippet",
                "created_at",
            }
            assert (item["session_id"], item["session_title"]) == (session, "Cells")
            assert ISO.fullmatch(item["created_at"])
        assert [item["snippet"] for item in found] == ["Why osmosis?", "What is osmosis?"]
        ids = [item["message_id"] for item in answer.json()]
        assert ids == sorted(ids, reverse=True)
        asked = {m["id"] for m in await ann.messages(session)}
        assert set(ids) <= asked
        assert first.session == second.session

    async def test_an_answer_is_found(self, ann: User) -> None:
        told = await ann.ask("say something [[pieces=Photosynthesis happens in leaves.]]")
        word = next(word for word in told.text.split() if word.isalpha() and len(word) > 3)
        assert told.message in [item["message_id"] for item in await search(ann, q=word)]

    @pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "  "}, {"q": "?!"}, {"params[q]": ""}])
    async def test_who_looks_for_nothing_finds_nothing(self, ann: User, query: dict[str, str]) -> None:
        await ann.ask("osmosis")
        answer = await ann.get("/api/chat/search", params=query)
        assert (answer.status_code, answer.json(), answer.headers["x-total-count"]) == (200, [], "0")

    async def test_what_cannot_be_stored_is_refused(self, ann: User) -> None:
        answer = await ann.get("/api/chat/search", params={"q": "a\x00b"})
        assert refusal(answer) == (400, "Invalid value for 'q'", "invalid_field")

    @pytest.mark.parametrize(
        "query", ["%", "_", "'; DROP TABLE message; --", '"', "*", "a OR b", "NEAR(a", "\\"]
    )
    async def test_nothing_in_a_query_means_anything(self, ann: User, query: str) -> None:
        await ann.ask("osmosis")
        assert await search(ann, q=query) == []

    async def test_pages(self, house: House) -> None:
        ann = await house.user()
        session = await ann.new_session()
        for n in range(3):
            await ann.ask(f"zebra {n}", session)
        pages = [await search(ann, **{"params[q]": "zebra", "limit": 1, "page": n}) for n in (1, 2)]
        everything = await search(ann, q="zebra", limit="x", page=0)
        assert [page[0] for page in pages] == everything[:2]
        assert len(everything) >= 3
        answer = await ann.get("/api/chat/search", params={"q": "zebra", "page": 99})
        assert (answer.json(), answer.headers["x-total-count"]) == ([], str(len(everything)))

    async def test_snippets_are_short_and_plain(self, house: House) -> None:
        ann = await house.user()
        await ann.ask("filler " * 100 + "<b>zebra</b>\n\nherd " + "filler " * 100)
        (item, *_) = [item for item in await search(ann, q="zebra herd") if item["role"] == "user"]
        assert len(item["snippet"]) <= 200
        assert "<b>zebra</b> herd" in item["snippet"]


class TestVersions:
    async def test_of_a_message_that_has_one(self, ann: User) -> None:
        told = await ann.ask("x")
        (version,) = (await ann.get(f"/api/message/{told.message}/versions")).json()
        listed = next(m for m in await ann.messages(told.session) if m["id"] == told.message)
        assert version == {**listed, "current": True, "thread": []}

    @pytest.mark.parametrize("message", NOBODYS)
    async def test_of_no_message(self, ann: User, message: str) -> None:
        answer = await ann.get(f"/api/message/{message}/versions")
        assert refusal(answer) == (404, "Message not found", "not_found")

    async def test_of_somebody_elses(self, ann: User, bob: User) -> None:
        told = await bob.ask("x")
        assert refusal(await ann.get(f"/api/message/{told.message}/versions"))[0] == 404
