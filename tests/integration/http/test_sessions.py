"""Sessions and their messages (contract 4.4), health (9) and the development mailbox (1.9)."""

from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.integration.house import House, User, a_house
from tests.integration.http.answers import ISO, fields_of, refusal
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.live_server import LiveServerServer
from tests.servers.llm_service import LlmServiceServer

NO_SESSION = (404, "Session not found or not authorized.", "not_found")


async def test_a_new_session(ann: User) -> None:
    answer = await ann.post(
        "/api/chat/new", json={"title": "Cells", "is_favorite": True, "user_id": 99, "id": 7}
    )

    assert answer.status_code == 201
    assert set(answer.json()) == {"session_id"}
    session = answer.json()["session_id"]
    assert type(session) is int
    listed = (await ann.get("/api/chat/history")).json()[0]
    assert (listed["id"], listed["title"], listed["is_favorite"], listed["message_count"]) == (
        session,
        "Cells",
        False,
        0,
    )


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (None, "Untitled"),
        ({}, "Untitled"),
        ({"title": None}, "Untitled"),
        ({"title": ""}, "Untitled"),
        ({"title": "x" * 500}, "x" * 120),
        ({"title": "文" * 121}, "文" * 120),
        ({"title": "[MATH] <b>'\";--</b> %_\\ 😀"}, "[MATH] <b>'\";--</b> %_\\ 😀"),
    ],
)
async def test_titles(ann: User, body: object, title: str) -> None:
    answer = await ann.post("/api/chat/new", json=body)
    assert answer.status_code == 201
    assert (await ann.get("/api/chat/history")).json()[0]["title"] == title


async def test_history_is_an_array_newest_use_first(house: House) -> None:
    ann = await house.user()
    assert (await ann.get("/api/chat/history")).json() == []
    first, second, third = [await ann.new_session(t) for t in ("one", "two", "three")]
    await ann.ask("x", first)

    answer = await ann.get("/api/chat/history")
    listed = answer.json()
    assert [s["id"] for s in listed] == [first, third, second]
    assert answer.headers["x-total-count"] == "3"
    for session in listed:
        assert set(session) == {"id", "title", "created_at", "updated_at", "message_count", "is_favorite"}
        assert ISO.fullmatch(session["created_at"])
        assert ISO.fullmatch(session["updated_at"])
    assert listed[0]["message_count"] == 2
    assert type(listed[0]["is_favorite"]) is bool


async def test_histories_are_private(ann: User, bob: User) -> None:
    mine = await ann.new_session("secret of ann")
    assert mine not in [s["id"] for s in (await bob.get("/api/chat/history")).json()]


async def test_ids_are_never_given_again(house: House) -> None:
    ann = await house.user()
    last = await ann.new_session()
    memories = await house.sql("SELECT max(id) FROM llm_session")
    await house.sql("DELETE FROM session")

    assert await ann.new_session() > last
    assert await house.sql("SELECT max(id) FROM llm_session") > memories


async def test_messages_oldest_first(ann: User) -> None:
    told = await ann.ask("one")
    await ann.ask("two", told.session)
    messages = await ann.messages(told.session)

    assert [m["role"] for m in messages] == ["user", "assistant"] * 2
    assert [m["id"] for m in messages] == sorted(m["id"] for m in messages)
    for message in messages:
        assert set(message) == {"role", "content", "created_at", "file_type", "file_path", "id"}
        assert ISO.fullmatch(message["created_at"])
        assert message["file_type"] is message["file_path"] is None


async def test_the_last_messages_and_those_before(ann: User) -> None:
    told = await ann.ask("one")
    await ann.ask("two", told.session)
    everything = [m["id"] for m in await ann.messages(told.session)]

    async def ids(**params: Any) -> list[int]:
        answer = await ann.get("/api/message/list", params={"session_id": told.session, **params})
        return [m["id"] for m in answer.json()]

    assert await ids(limit=2) == everything[2:]
    assert await ids(limit=2, before_id=everything[2]) == everything[:2]
    assert await ids(before_id=everything[0]) == []
    assert await ids(before_id="") == await ids(**{"params[before_id]": "null"}) == everything


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?session_id=",
        "?session_id=x",
        "?session_id=0",
        "?session_id=-1",
        "?session_id=999999",
        "?session_id=9223372036854775808",
        "?session_id=1.0",
        "?session_id=%00",
        "?session_id=1%20OR%201",
        "?session_id=null",
    ],
)
async def test_messages_of_no_session(ann: User, query: str) -> None:
    assert refusal(await ann.get(f"/api/message/list{query}")) == NO_SESSION


async def test_messages_of_another(ann: User, bob: User) -> None:
    session = await ann.new_session()
    foreign = await bob.get("/api/message/list", params={"session_id": session})
    missing = await bob.get("/api/message/list", params={"session_id": 999999})
    assert refusal(foreign) == refusal(missing) == NO_SESSION
    assert (await ann.get("/api/message/list", params={"params[session_id]": f"00{session}"})).json() == []


# health


async def test_health(home: House) -> None:
    answer = await home.client.get("/api/health")

    body = answer.json()
    assert answer.status_code == 200
    assert ISO.fullmatch(body.pop("timestamp"))
    assert body == {"status": "healthy", "service": "backend", "database": "connected", "redis": "connected"}


async def test_the_small_ones(home: House) -> None:
    assert (await home.client.get("/api/health/live")).json() == {"status": "alive"}
    assert (await home.client.get("/api/health/ready")).json() == {"status": "ready"}
    ping = await home.client.get("/api/ping")
    assert (ping.text, ping.headers["content-type"]) == ("pong", "text/plain; charset=utf-8")


async def test_details_are_for_admins(
    tmp_path: Path, redis: object, valkey_url: str, llm: LlmServiceServer
) -> None:
    async with AvatarManagerServer() as manager, LiveServerServer() as live:
        avatars = {"AVATAR_MANAGER_URL": manager.url, "LIVE_SERVER_URL": live.url}
        async with a_house(tmp_path, REDIS_URL=valkey_url, LLM_URL=llm.url, **avatars) as house:
            await details_are_for_admins(house)


async def details_are_for_admins(house: House) -> None:
    ann = await house.user()
    for headers in ({}, ann.headers):
        answer = await house.client.get("/api/health/detailed", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "service": "backend"})
    await house.sql("UPDATE user SET role = 'admin'")
    details = (await ann.get("/api/health/detailed")).json()
    assert ISO.fullmatch(details["timestamp"])
    parts = {"database", "redis", "llm", "rag", "avatar_manager", "live_server"}
    assert set(details["checks"]) == parts
    assert set(details["checks"].values()) == {"healthy"}


async def test_a_bad_token_is_worse_than_none(home: House) -> None:
    answer = await home.client.get("/api/health/detailed", headers={"Authorization": "Bearer null"})
    assert refusal(answer)[0] == 422


async def test_an_upstream_that_is_down_degrades(tmp_path: Path, redis: object, valkey_url: str) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, LLM_URL="http://127.0.0.1:9") as house:
        ann = await house.user()
        answer = await house.client.get("/api/health/detailed")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert (await house.client.get("/api/health")).status_code == 200
        await house.sql("UPDATE user SET role = 'admin'")
        checks = (await ann.get("/api/health/detailed")).json()["checks"]
        assert checks["llm"] == "unreachable"
        assert "127" not in str(checks)


# the development mailbox


async def mailbox(house: House, path: str = "/dev/mailbox.json", **headers: str) -> Any:
    return await house.client.get(path, headers=headers)


async def test_the_mailbox_is_for_the_person_at_this_machine(home: House, ann: User) -> None:
    answer = await mailbox(home)
    assert answer.status_code == 200
    (mail, *_) = answer.json()["mails"]
    assert set(mail) == {"to", "subject", "text", "created_at"}
    assert ISO.fullmatch(mail["created_at"])
    page = await mailbox(home, "/dev/mailbox")
    assert page.headers["content-type"].startswith("text/html")
    assert "ann@example.org" in page.text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000"]
)
async def test_hosts_that_are_this_machine(home: House, host: str) -> None:
    assert (await mailbox(home, Host=host)).status_code == 200
    assert (await mailbox(home, Host=host, Origin=f"http://{host}")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:8000"},
        {"Host": "evil.example:127.0.0.1"},
        {"Host": "127.0.0.2"},
        {"Host": "2130706433"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": ""},
        {"x-forwarded-anything": "1"},
    ],
)
async def test_others_do_not_find_the_mailbox(home: House, headers: dict[str, str]) -> None:
    for path in ("/dev/mailbox", "/dev/mailbox.json", "//dev//mailbox/"):
        answer = await mailbox(home, path, **headers)
        assert refusal(answer)[0] == 404


@pytest.mark.parametrize("path", ["/dev/mailbox", "/dev/mailbox.json", "/dev/nope"])
async def test_the_mailbox_has_no_cors(home: House, path: str) -> None:
    for origin in ("https://evil.example", home.url):
        answer = await mailbox(home, path, Origin=origin)
        preflight = await home.client.options(
            path, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
        )
        assert not [
            name for name in (*answer.headers, *preflight.headers) if name.startswith("access-control")
        ]


async def test_markup_in_a_mail_is_shown_as_text(home: House) -> None:
    page = await mailbox(home, "/dev/mailbox")
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_production_has_no_mailbox(tmp_path: Path, redis: object, valkey_url: str) -> None:
    secrets = {name: token_hex(32) for name in ("SECRET_KEY", "JWT_SECRET_KEY")}
    async with a_house(tmp_path, REDIS_URL=valkey_url, ENVIRONMENT="production", **secrets) as house:
        for path in ("/dev/mailbox", "/dev/mailbox.json"):
            assert refusal(await mailbox(house, path))[0] == 404
        assert fields_of(await mailbox(house, "/dev/x"))["path"] == "/dev/x"
