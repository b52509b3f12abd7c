"""Who leaves leaves nothing behind (PR-1, A18, A19)."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, Told, User, a_house
from tests.integration.http.staff import ROOT, call, staff
from tests.integration.http.staff import id_of as staff_id_of
from tests.integration.leaving import leave, no_pause, receipt, redis_url_of
from tests.integration.served import NO_AVATARS, served
from tests.integration.stores import Stores
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer
from tests.servers.rag_service import RagServiceServer

ANN, BEN = "ann.canary@example.org", "ben@example.org"
CANARY = "quetzalcoatl"
STORES = {"database", "replies", "login", "redis", "files", "index", "pictures", "exports"}


@pytest.fixture
async def rag() -> AsyncIterator[RagServiceServer]:
    async with RagServiceServer() as server:
        yield server


@pytest.fixture(params=["own index", "rag service"])
async def any_house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis: Redis,
    valkey: Valkey,
    llm: LlmServiceServer,
    rag: RagServiceServer,
) -> AsyncIterator[House]:
    more = {"RAG_URL": rag.url} if request.param == "rag service" else {}
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **more) as house:
        yield house


async def id_of(user: User) -> int:
    return int((await user.get("/api/user/profile")).json()["id"])


async def lived_in(house: House, folder: Path, email: str = ANN) -> User:
    """Somebody who has left traces wherever one can."""
    user = await house.user(email)
    id = await id_of(user)
    file = folder / f"{CANARY}.txt"
    file.write_text(f"The {CANARY} had a wingspan of ten metres.", "utf-8")
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    uploaded = await user.upload(file)
    assert uploaded.json()["rag_indexed"] is True, uploaded.text
    told = await user.ask(f"How large was the {CANARY}?")
    again = await user.post(f"/api/chat/{told.session}/regenerate")
    (question, *_) = await user.messages(told.session)
    edit = f"/api/chat/{told.session}/messages/{question['id']}/edit"
    edited = await user.post(edit, data={"message": f"How old was the {CANARY}?"})
    for answer in (told.response, again, edited):
        assert Told.from_response(answer).kinds[-1] == "complete"
    for path, sent in (
        ("/api/user/profile", {"json": {"full_name": CANARY, "bio": CANARY}}),
        ("/api/user/avatar", {"files": {"avatar": ("me.png", picture.getvalue())}}),
        ("/api/user/tutor_request", {"json": {"reason": CANARY}}),
        ("/api/chat/new", {"json": {"title": CANARY}}),
    ):
        answer = await user.post(path, **sent)
        assert answer.is_success, answer.text
    await exported(user)
    await until(lambda: house.sql("SELECT id FROM notification"))
    with Redis.from_url(redis_url_of(house)) as redis:
        redis.set(f"idem:{id}:abc", CANARY)
        redis.set(f"sessionid:{id}", "123456")
        redis.hset(f"rtc:{id}", "123456", CANARY)
        redis.set(f"avatar:lease:{id}", 7)
        redis.set(f"avatar:lock:{id}", CANARY)
        redis.hset("avatar:user_mappings", str(id), CANARY)
    return user


async def exported(user: User) -> dict[str, Any]:
    """The archive that waits for the user."""
    async with asyncio.timeout(10):
        while True:
            state: dict[str, Any] = (await user.get("/api/user/export")).json()
            if state["status"] == "ready":
                return state
            await asyncio.sleep(0.05)


def stores_of(house: House, rag: RagServiceServer) -> Stores:
    """The action log keeps an address, and what a profile said."""
    return Stores(house, rag, spared={"user_action_log"})


async def test_nothing_of_the_departed_is_left(
    any_house: House, rag: RagServiceServer, tmp_path: Path, redis: Redis
) -> None:
    root = await staff(any_house)
    ann, ben = await lived_in(any_house, tmp_path), await any_house.user(BEN)
    await until(lambda: told_about(any_house, ANN))
    id, told = await id_of(ann), await ben.ask("What is osmosis?")
    stores = stores_of(any_house, rag)
    assert len(await stores.where(CANARY, ANN)) > 6

    assert (await leave(ann, ANN)).status_code == 200
    details = await receipt(any_house, id)

    assert await stores.traces(CANARY, ANN) == []
    assert set(details) == STORES
    assert details["files"]["erased"] == details["pictures"]["erased"] == details["exports"]["erased"] == 1
    assert details["database"]["erased"] > 5
    assert details["redis"]["erased"] >= 4  # his avatar was given back before
    assert await any_house.sql(f"SELECT id FROM user WHERE id = {id}") == []
    assert redis.keys(f"*:{id}") == redis.keys(f"*:{id}:*") == []
    assert [path for path in Path(any_house.settings.upload_dir).rglob("*") if path.is_file()] == []
    ((state, payload),) = await any_house.sql("SELECT state, payload FROM job WHERE kind = 'erase_account'")
    assert (state, payload) == ("done", "{}")
    assert [message["role"] for message in await ben.messages(told.session)] == ["user", "assistant"]
    (note,) = await notes(root)
    assert note["message"] == f"User U{id:03} asks to become a tutor."


async def test_nor_of_who_was_sent_away(
    any_house: House, rag: RagServiceServer, tmp_path: Path, redis: Redis
) -> None:
    ann = await lived_in(any_house, tmp_path)
    id, root = await id_of(ann), await staff(any_house)
    answer = await call(root, "DELETE", f"/users/{id}", json={"reason": "left school"})
    assert answer.status_code == 200, answer.text
    assert set(await receipt(any_house, id)) == STORES
    assert await stores_of(any_house, rag).traces(CANARY, ANN) == []
    assert await any_house.sql(f"SELECT id FROM user WHERE id = {id}") == []
    assert redis.keys(f"*:{id}") == redis.keys(f"*:{id}:*") == []


async def test_neither_who_asked_nor_who_decided_is_left_with_others_whatever_their_address_was(
    house: House, rag: RagServiceServer
) -> None:
    was, became = "ada.canary@school.org", "ada.lee.canary@school.org"
    root, ada = await staff(house), await staff(house, was)
    ben, ann = await house.user(BEN), await house.user(ANN)
    for user in (ben, ann):
        assert (await user.post("/api/user/tutor_request", json={"reason": ""})).is_success
    await until(lambda: told_about(house, ANN))
    assert (await call(ada, "POST", "/tutor_requests/1/reject")).is_success
    ids = {email: await staff_id_of(house, email) for email in (was, ANN)}
    for email, new in ((was, became), (ANN, "ann.lee.canary@example.org")):
        assert (await call(root, "PUT", f"/users/{ids[email]}", json={"email": new})).is_success
    assert await house.sql("SELECT decided_by FROM tutor_request WHERE id = 1") == [(became,)]

    for id in ids.values():
        assert (await call(root, "DELETE", f"/users/{id}")).is_success
        await receipt(house, id)

    # mails to and about an address he had before go with the mailbox, after a day
    left = await stores_of(house, rag).traces("canary")
    assert [trace for trace in left if not trace.startswith("redis: 'dev:mailbox")] == []
    assert await house.sql("SELECT status, decided_by FROM tutor_request") == [("rejected", None)]
    assert [note["message"] for note in await notes(root)] == [
        f"User U{n:03} asks to become a tutor." for n in (ids[ANN], ids[ANN] - 1)
    ]


async def told_about(house: House, email: str) -> bool:
    """The admin's mail has left."""
    return any(email in mail["text"] for mail in await house.mails_to(ROOT))


async def notes(user: User) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await user.get("/api/user/notifications")).json()["notifications"]
    return listed


async def test_the_address_is_free_at_once_and_starts_afresh(
    house: House, tmp_path: Path, redis: Redis
) -> None:
    ann = await lived_in(house, tmp_path)
    id = await id_of(ann)
    assert (await leave(ann, ANN)).status_code == 200
    for answer in (
        await ann.get("/api/user/profile"),
        await house.client.post("/api/login", json={"email": ANN, "password": PASSWORD}),
    ):
        assert answer.status_code == 401

    await no_pause(house)
    redis.delete("dev:mailbox")  # its old mails go just now, and would be counted
    again = await house.user(ANN)

    assert await id_of(again) > id
    await receipt(house, id)
    assert (await again.get("/api/chat/history")).json() == []
    assert (await again.get("/api/user_files")).json()["files"] == []
    profile = (await again.get("/api/user/profile")).json()
    assert (profile["full_name"], profile["avatar_url"]) == ("", "/static/avatars/default.png")
    ids = await house.sql("SELECT id FROM session UNION ALL SELECT id FROM message")
    assert ids == []
    assert await again.new_session() > 2  # hers of before were 1 and 2


async def test_a_rag_service_that_is_away_is_asked_until_it_is_back(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    async with RagServiceServer() as rag:
        bases, port = rag.bases, rag.port
        async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, RAG_URL=rag.url) as house:
            ann = await lived_in(house, tmp_path)
            id = await id_of(ann)
            await rag.__aexit__(None, None, None)
            assert (await leave(ann, ANN)).status_code == 200
            await asyncio.sleep(1)
            assert await stores_of(house, rag).where(CANARY) == {"rag", "stored_file"}
            assert await house.sql(f"SELECT id FROM user WHERE id = {id}")  # waits
            assert (
                await house.client.post("/api/login", json={"email": ANN, "password": PASSWORD})
            ).status_code == 401

            async with RagServiceServer(port=port) as back:
                back.bases = bases
                details = await receipt(house, id, within=20)
                assert set(details) == STORES
                assert await stores_of(house, back).traces(CANARY, ANN) == []


async def test_a_power_cut_in_the_middle_delays_the_erasure_only(
    tmp_path: Path, llm: LlmServiceServer
) -> None:
    async with RagServiceServer() as rag:
        bases, port = rag.bases, rag.port
        async with served(tmp_path, LLM_URL=llm.url, RAG_URL=rag.url, **NO_AVATARS) as one:
            ann = await lived_in(one.house, tmp_path)
            id = await id_of(ann)
            await rag.__aexit__(None, None, None)  # so that it does not get to the end
            assert (await leave(ann, ANN)).status_code == 200
            one.kill_everything()
    async with RagServiceServer(port=port) as back:
        back.bases = bases
        async with served(tmp_path, LLM_URL=llm.url, RAG_URL=back.url, **NO_AVATARS) as one:
            details = await receipt(one.house, id, within=60)
            assert set(details) == STORES
            assert await stores_of(one.house, back).traces(CANARY, ANN) == []
            lines = await one.house.sql("SELECT id FROM user_action_log WHERE action = 'erase'")
            assert len(lines) == 1
