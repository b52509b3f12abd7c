"""The traps of contract 15 that today's routes could fall into, one test per row."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from redis import Redis

from entrypoints.wiring.application import create_app
from tests.images import a_jpeg
from tests.integration.house import PASSWORD, House, User, a_house, running, settings_for
from tests.integration.http.answers import refusal
from tests.integration.http.listening import listening
from tests.integration.http.raw import connected
from tests.integration.http.staff import call, id_of, staff
from tests.integration.http.statements import statements
from tests.integration.http.test_refresh import past_half
from tests.integration.http.uploading import spooled
from tests.integration.waiting import until
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.rag_service import RagServiceServer


async def test_the_frameworks_own_statuses_and_error_bodies_are_overridden(ann: User) -> None:
    client = ann.house.client
    assert (await ann.post("/api/chat/stream", data={"message": "x"})).status_code == 200  # not 201
    for answer in (
        await client.get("/api/nope"),  # before routing
        await client.get("/api/docs/nope"),  # the framework's own router
        await client.put("/api/login"),
        await client.post("/api/login", content=b"x" * 300_000),
        await client.post("/api/login", content=b"{"),
        await client.post("/api/login", content=b"x", headers={"Content-Type": "text/plain"}),
    ):
        assert refusal(answer)[0] == answer.status_code
        assert not {"status_code", "detail", "extra"} & set(answer.json())


async def test_bodies_above_the_frameworks_own_limit_are_read(ann: User) -> None:
    content = b"ID3\x03".ljust(12 * 1024 * 1024, b"\x00")
    assert (await ann.post("/api/chat/upload", files={"file": ("a.mp3", content)})).status_code == 200


async def test_an_empty_text_part_where_a_file_may_stand(ann: User) -> None:
    answer = await ann.post("/api/chat/upload", data={"file": ""}, files={"x": ("", b"")})
    assert refusal(answer)[:2] == (400, "No file selected for uploading")


async def test_a_wrong_typed_query_value_reaches_our_rule(ann: User) -> None:
    assert (await ann.get("/api/chat/history?limit=ten&page[]=x")).status_code == 200
    assert refusal(await ann.get("/api/message/list?session_id=[]"))[0] == 404


async def test_no_crlf_in_a_stream(ann: User) -> None:
    told = await ann.ask("x")
    assert b"\r" not in told.response.content


async def test_what_saves_a_reply_is_not_the_response(ann: User) -> None:
    async with listening(ann, "x [[gap=0.02]]") as stream:
        await stream.chunk()
        stream.leave()
    assert "interrupted" not in await ann.answer_in(stream.session)


async def test_hashing_does_not_stop_the_loop(home: House) -> None:
    """Thirty logins at once; others are answered meanwhile."""
    client = home.client
    fields = [{"email": f"hash{n}@example.org", "password": PASSWORD} for n in range(30)]
    logins = asyncio.gather(*(client.post("/api/login", json=each) for each in fields))
    slowest = 0.0
    for _ in range(10):
        began = time.perf_counter()
        assert (await client.get("/api/health/live")).status_code == 200
        slowest = max(slowest, time.perf_counter() - began)
    assert {answer.status_code for answer in await logins} == {401}
    assert slowest < 1.0


async def test_parallel_sends_are_all_counted(house: House) -> None:
    ann = await house.user()
    sessions = [await ann.new_session() for _ in range(4)]
    await asyncio.gather(*(ann.ask("x", session) for session in sessions for _ in range(3)))
    history = (await ann.get("/api/chat/history")).json()
    assert [session["message_count"] for session in history] == [6] * 4


async def test_logging_out_does_not_touch_the_last_login(house: House) -> None:
    ann = await house.user()
    before = await house.sql("SELECT last_login FROM user")
    await ann.post("/api/logout")
    assert await house.sql("SELECT last_login FROM user") == before


async def test_role_and_ban_are_read_on_each_request(house: House) -> None:
    ann = await house.user()
    await house.sql("UPDATE user SET role = 'admin'")
    assert "checks" in (await ann.get("/api/health/detailed")).json()
    await house.sql("UPDATE user SET role = 'student'")
    assert "checks" not in (await ann.get("/api/health/detailed")).json()
    await house.sql("UPDATE user SET status = 'banned'")
    assert refusal(await ann.get("/api/chat/history"))[2] == "account_banned"


async def test_of_a_token_key_only_existence_counts(house: House, redis: Redis) -> None:
    ann = await house.user()
    (key,) = redis.keys("token:*")
    redis.set(key, "anything", keepttl=True)
    assert (await ann.get("/api/chat/history")).status_code == 200
    assert {key for key in redis.keys("*") if b"ann" in key} == set()  # ids, never addresses


async def test_a_code_is_consumed_after_everything_else(house: House) -> None:
    await house.client.post("/api/send_verification", json={"email": "a@example.org"})
    fields = {"email": "a@example.org", "code": await house.code_for("a@example.org")}
    weak = await house.client.post("/api/register", json={**fields, "password": "short"})
    assert weak.status_code == 400
    good = await house.client.post("/api/register", json={**fields, "password": PASSWORD})
    assert good.status_code == 201


async def test_null_is_text_in_forms(ann: User) -> None:
    told = await ann.ask("null")
    assert (await ann.messages(told.session))[0]["content"] == "null"
    assert (
        await ann.post("/api/chat/stream", data={"message": "x", "session_id": "null"})
    ).status_code == 200


async def test_options_comes_before_authentication(home: House) -> None:
    for path in ("/api/chat/history", "/api/chat/stream", "/api/chat/upload", "/api/logout"):
        assert (await home.client.options(path)).status_code in (200, 204)


async def test_a_rag_500_for_an_empty_base_is_normal(
    tmp_path: Path, redis: object, valkey_url: str, llm: LlmServiceServer
) -> None:
    async with RagServiceServer() as rag:
        rag.faults["/retriever"] = Fault(status=500, body=b'{"error": true, "message": "empty"}')
        async with a_house(tmp_path, REDIS_URL=valkey_url, LLM_URL=llm.url, RAG_URL=rag.url) as house:
            ann = await house.user()
            told = await ann.ask("According to the document, what is a cell?", use_documents="true")
            assert told.kinds == ["streaming", "finished", "complete"]
            assert rag.asked("/retriever")


async def test_nothing_talks_to_the_network_before_the_start(tmp_path: Path) -> None:
    settings = settings_for(
        tmp_path,
        REDIS_URL="redis://127.0.0.1:9",
        DATABASE_URL="postgresql://nobody@127.0.0.1:9/none",
        LLM_URL="http://127.0.0.1:9",
        RAG_URL="http://127.0.0.1:9",
    )
    assert create_app(settings).origins == ("*",)


async def test_no_bulk_update_or_status_change_touches_a_moment_by_the_way(house: House) -> None:
    root, ann = await staff(house), await house.user()
    await ann.new_session()
    moments = (
        "SELECT u.last_login, p.updated_at, s.updated_at FROM user u JOIN user_profile p ON p.user_id = u.id"
        " JOIN session s ON s.user_id = u.id WHERE u.email = 'ann@example.org'"
    )
    before = await house.sql(moments)
    id = await id_of(house, "ann@example.org")
    for change in ({"status": "inactive"}, {"role": "tutor"}, {"status": "banned"}, {"status": "active"}):
        assert (await call(root, "PUT", f"/users/{id}", json=change)).status_code == 200
        assert await house.sql(moments) == before, change
    assert (await call(root, "POST", f"/users/{id}/logout")).status_code == 200
    assert await house.sql(moments) == before

    ann = await house.login("ann@example.org")
    before = await house.sql(moments)
    ((note,),) = await house.sql(f"SELECT id FROM notification WHERE user_id = {id}")
    await house.client.put(f"/api/user/notifications/{note}/read", headers=ann.headers)
    await ann.post("/api/user/profile", json={})
    await ann.get("/api/user/profile")
    assert await house.sql(moments) == before


async def test_role_ban_and_revocation_are_one_query(home: House, ann: User) -> None:
    with statements() as asked:
        assert (await ann.get("/api/token_status")).status_code == 200
    (query,) = [" ".join(one.split()) for one in asked if "FROM user" in one]
    assert "role" in query
    assert "status" in query
    assert "tokens_from" in query


async def test_pictures_do_not_stop_the_loop(home: House, ann: User, bob: User) -> None:
    """Eight large ones at once; others are answered meanwhile."""
    large = a_jpeg((4000, 3000))
    sending = asyncio.gather(
        *(user.post("/api/user/avatar", files={"avatar": ("me.jpg", large)}) for user in [ann, bob] * 4)
    )
    slowest = 0.0
    for _ in range(10):
        began = time.perf_counter()
        assert (await home.client.get("/api/health/live")).status_code == 200
        slowest = max(slowest, time.perf_counter() - began)
    assert {answer.status_code for answer in await sending} == {200}
    assert slowest < 1.0


async def test_a_token_is_signed_again_from_what_is_noted(house: House) -> None:
    """However many ask, at whichever worker: the same text."""
    ann = past_half(await house.user())
    async with running(house.settings) as other:
        asked = [replace(ann, house=worker).get("/api/user/profile") for worker in [house, other] * 6]
        answers = await asyncio.gather(*asked)
        status = await replace(ann, house=other).get("/api/token_status")
    assert {answer.headers["x-new-token"] for answer in answers} == {status.json()["token"]}


async def test_empty_values_and_wrapped_ones_come_before_any_check(house: House) -> None:
    root = await staff(house)
    for query in ("role=&status=&search=", "params[role]=&params[status]=", "role=&params[role]=admin"):
        body = (await call(root, "GET", f"/users?{query}")).json()
        assert body["total"] == 1, query
    body = (await call(root, "GET", "/users?role=&params[role]=tutor")).json()
    assert body["total"] == 0


async def test_the_llm_service_may_bring_a_package_named_backend() -> None:
    source = Path(__file__).parents[3] / "src"
    assert not list(source.glob("backend*"))


async def test_deleting_answers_200_and_naming_touches_no_moment_by_the_way(house: House) -> None:
    ann = await house.user()
    session = await ann.new_session()
    moments = f"SELECT created_at, updated_at FROM session WHERE id = {session}"
    before = await house.sql(moments)
    path = f"/api/chat/{session}"
    for answer in (
        await house.client.put(path, headers=ann.headers, json={"title": "Cells"}),
        await ann.post(f"{path}/favorite"),
    ):
        assert answer.status_code == 200
        assert await house.sql(moments) == before
    assert (await house.client.delete(path, headers=ann.headers)).status_code == 200  # not 204


async def test_an_empty_text_part_where_a_document_may_stand(ann: User) -> None:
    answer = await ann.post("/api/upload", data={"file": ""})
    assert refusal(answer) == (400, "No file provided", "missing_field")


async def test_a_wrong_typed_page_of_files_reaches_our_rule(ann: User) -> None:
    for query in ({"page": "abc", "limit": "x"}, {"page": "-1", "limit": "0"}, {"limit": "99999999"}):
        assert (await ann.get("/api/user_files", params=query)).status_code == 200


async def test_a_name_in_a_path_is_decoded_once_and_looked_up(ann: User) -> None:
    text = b"The nucleus holds the DNA."
    for name in ("%41.txt", "A.txt"):
        await ann.post("/api/upload", files={"file": (name, text)})
    client = ann.house.client
    gone = await client.request("DELETE", "/api/upload/%2541.txt", headers=ann.headers)
    assert gone.status_code == 200
    names = [file["filename"] for file in (await ann.get("/api/user_files")).json()["files"]]
    assert "A.txt" in names
    assert "%41.txt" not in names
    for path in ("..%2f..%2fapp.db", "%2e%2e/app.db"):
        assert (await client.request("DELETE", f"/api/upload/{path}", headers=ann.headers)).status_code == 404


async def all_are_read() -> bool:
    return len(spooled()) >= 30


async def test_no_connection_is_held_while_bytes_are_sent_or_awaited(home: House, ann: User) -> None:
    """As many downloads as the pool has connections and as many uploads, all half-way; the database answers
    nevertheless."""
    sound = ("a.mp3", b"ID3\x04" + bytes(8 * 1024 * 1024))
    file = (await ann.post("/api/chat/upload", files={"file": sound})).json()["file_id"]
    async with AsyncExitStack() as stack:
        for _ in range(30):
            head = f"GET /api/files/{file} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n\r\n"
            reader, writer = await stack.enter_async_context(connected(home.url))
            writer.write(head.encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _ in range(30):
            _, writer = await stack.enter_async_context(connected(home.url))
            writer.write(
                f"POST /api/chat/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
                "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 10000\r\n\r\n"
                '--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3'.encode()
            )
        await until(all_are_read)
        assert (await ann.get("/api/chat/history")).status_code == 200
        assert (await ann.post("/api/chat/new")).status_code == 201
