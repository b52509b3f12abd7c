"""The reference web client's ways (contract 14), one test per row that today's routes touch."""

import json
import re
from datetime import datetime
from pathlib import Path
from random import randbytes
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from redis import Redis

from tests.documents import word
from tests.images import a_picture, chunk
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.answers import ISO, fields_of, refusal
from tests.integration.http.listening import listening
from tests.integration.http.raw import exchange
from tests.integration.http.staff import ROOT, TIM, call, id_of, shown, staff
from tests.integration.http.statements import statements
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

FRONT = {"Origin": "http://localhost:3000", "X-Request-Time": "2026-01-01T00:00:00Z", "sessionid": "0"}


async def test_it_is_served_from_another_origin(ann: User) -> None:
    for path in ("/api/token_status", "/api/chat/history", "/static/avatars/default.png", "/api/nope"):
        answer = await ann.house.client.get(path, headers={**ann.headers, **FRONT})
        assert answer.headers["access-control-allow-origin"] in ("*", FRONT["Origin"]), path


async def test_it_sends_headers_of_its_own(home: House) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-request-time, sessionid",
    }
    answer = await home.client.options("/api/chat/stream", headers={**FRONT, **asks})
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"x-request-time", "sessionid", "authorization", "content-type"} <= set(allowed)


async def test_it_reads_msg_of_every_error_and_token_of_every_success(ann: User, small_file: Path) -> None:
    client = ann.house.client
    session = await ann.new_session()
    successes = [
        await ann.get("/api/chat/history"),
        await ann.get("/api/message/list", params={"session_id": session}),
        await ann.get("/api/user_files"),
        await ann.upload(small_file, session),
        await ann.post("/api/chat/new"),
        await client.get("/api/health"),
        await client.get("/api/health/live"),
        await client.post("/api/send_verification", json={"email": "row@example.org"}),
        await client.get("/api/openapi.json"),
    ]
    for answer in successes:
        assert answer.status_code in (200, 201), answer.text
        assert answer.json() is not None
        if isinstance(answer.json(), dict):
            assert "token" not in answer.json(), answer.url
    for answer in (
        await client.get("/api/nope"),
        await ann.get("/api/login"),
        await ann.get("/api/message/list"),
    ):
        assert isinstance(answer.json()["msg"], str)


async def test_it_logs_out_on_401_so_nothing_else_is_401(ann: User, bob: User) -> None:
    foreign = await bob.new_session()
    wrong = [
        await ann.post("/api/chat/new", content=b"{"),
        await ann.post("/api/chat/new", content=b"x" * 300_000),
        await ann.post("/api/chat/new", json={"title": 5}),
        await ann.get("/api/message/list", params={"session_id": foreign}),
        await ann.post("/api/chat/stream", data={}),
        await ann.post("/api/chat/stream", data={"message": "x", "session_id": foreign}),
        await ann.post("/api/chat/upload"),
        await ann.post("/api/chat/stream", data={"message": "x [[status=401]]"}),
        await ann.get("/api/nope"),
        await ann.get("/api/login"),
    ]
    assert 401 not in [answer.status_code for answer in wrong]
    assert (await ann.get("/api/token_status")).status_code == 200


async def test_it_posts_logout_with_a_dropped_token(home: House) -> None:
    answer = await home.client.post("/api/logout", headers={"Authorization": "Bearer null"})
    assert refusal(answer)[0] == 422


async def test_it_polls_the_token(ann: User) -> None:
    seconds = [(await ann.get("/api/token_status")).json()["expires_in_seconds"] for _ in range(5)]
    assert seconds == sorted(seconds, reverse=True)


async def test_its_tabs_share_a_token_and_a_second_browser_ends_it(house: House) -> None:
    tab = await house.user()
    other_tab = User(house, tab.token)
    assert (await other_tab.get("/api/chat/history")).status_code == 200
    await house.login("ann@example.org")
    assert refusal(await tab.get("/api/chat/history"))[0] == 401


async def test_it_logs_in_with_two_fields_and_compares_roles(house: House) -> None:
    ann = await house.user()
    assert jwt.decode(ann.token, options={"verify_signature": False})["role"] == "student"


async def test_it_registers_with_role_student_and_a_code_in_a_string(house: House) -> None:
    await house.client.post("/api/send_verification", json={"email": "a@example.org", "purpose": "register"})
    fields = {"email": "a@example.org", "password": "123456", "role": "student"}
    fields["code"] = await house.code_for("a@example.org")
    weak = await house.client.post("/api/register", json=fields)
    assert refusal(weak)[0] == 400  # it checks passwords only by itself; we check them too
    assert (
        await house.client.post("/api/register", json={**fields, "password": PASSWORD})
    ).status_code == 201


@pytest.mark.parametrize("purpose", ["register", "update_password"])
async def test_it_knows_two_purposes(home: House, purpose: str) -> None:
    fields = {"email": f"{purpose}-row@example.org", "purpose": purpose}
    assert (await home.client.post("/api/send_verification", json=fields)).status_code == 200


async def test_it_uploads_without_a_session_and_offers_more_types(ann: User, small_file: Path) -> None:
    first, second = await ann.upload(small_file), await ann.upload(small_file)
    assert first.json()["session_id"] != second.json()["session_id"]
    titles = {s["id"]: s["title"] for s in (await ann.get("/api/chat/history")).json()}
    assert titles[first.json()["session_id"]] == "File: cells.txt"
    for name in ("old.doc", "table.xls", "table.xlsx"):
        answer = await ann.post("/api/chat/upload", files={"file": (name, b"x")})
        assert refusal(answer)[0] == 400
        assert "not allowed" in answer.json()["msg"]


async def test_it_shows_the_names_types_and_sizes_of_files(ann: User, small_file: Path) -> None:
    await ann.upload(small_file)
    file = (await ann.get("/api/user_files", params={"params[limit]": 1})).json()["files"][0]
    assert (file["filename"], file["file_type"]) == ("cells.txt", "document")
    assert type(file["size"]) is int


async def test_it_shows_file_path_as_image_source(ann: User) -> None:
    picture = ("cell.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 20)
    answer = (await ann.post("/api/chat/upload", files={"file": picture})).json()
    assert re.fullmatch(r"uploads/\d+/\d{8}_\d{6}_cell\.png", answer["file_path"])
    (message,) = await ann.messages(answer["session_id"])
    assert (message["file_type"], message["file_path"]) == ("image", answer["file_path"])


def client_parses(reads: list[bytes]) -> tuple[str, bool]:
    """The text that the client's parser collects (10.3), and whether it saw the end: each read by itself."""
    text = ""
    for read in reads:
        for line in read.decode().split("\n"):
            if not line.startswith("data: "):
                continue
            try:
                event: dict[str, Any] = json.loads(line[6:])
            except ValueError:  # torn over two reads: lost
                continue
            text += event.get("chunk", "")
            if event["status"] == "finished":
                return text, True
    return text, False


async def test_it_reads_streams_line_by_line_and_read_by_read(ann: User, llm: LlmServiceServer) -> None:
    llm.script = Script(
        pieces=["Grüße ", "data: {}", "\n\n", "文" * 3000, '"', "😀" * 1000, " end"], gap=0.01
    )
    try:
        async with listening(ann, "x") as stream:
            writes = await stream.chunks()
    finally:
        llm.script = Script()
    text, finished = client_parses(writes)
    assert finished
    assert (await ann.messages(stream.session))[1]["content"] == text


async def test_it_takes_any_other_status_for_a_failed_answer(ann: User) -> None:
    answer = await ann.post("/api/chat/stream", data={"message": "x [[end=hang;status=503]]"})
    assert answer.status_code in (502, 503, 504)
    assert answer.json()["msg"] == "The tutor is not available right now. Please try again."


async def test_it_takes_the_first_session_as_default_and_filters_by_subject(house: House) -> None:
    ann = await house.user()
    old = await ann.new_session("[MATH] fractions")
    await ann.new_session("[BIOLOGY] cells")
    await ann.ask("x", old)
    history = (await ann.get("/api/chat/history")).json()
    assert [s["title"] for s in history] == ["[MATH] fractions", "[BIOLOGY] cells"]


async def test_it_wraps_get_parameters(ann: User) -> None:
    for _ in range(2):
        await ann.new_session()
    answer = await ann.get("/api/chat/history?params[page]=2&params[limit]=1&timeout=30000")
    assert len(answer.json()) == 1


async def test_it_sends_a_json_content_type_without_a_body(ann: User) -> None:
    headers = {**ann.headers, "Content-Type": "application/json"}
    for method, path in (
        ("GET", "/api/chat/history"),
        ("POST", "/api/chat/new"),
        ("GET", "/api/token_status"),
    ):
        answer = await ann.house.client.request(method, path, headers=headers)
        assert answer.status_code in (200, 201), path


async def test_it_parses_dates(ann: User) -> None:
    await ann.new_session()
    session = (await ann.get("/api/chat/history")).json()[0]
    assert session["created_at"].endswith("Z")
    assert datetime.fromisoformat(session["created_at"]).utcoffset() is not None


async def test_it_puts_the_origin_before_the_picture(home: House) -> None:
    answer = await home.client.get("/static/avatars/default.png")
    assert answer.headers["content-type"] == "image/png"


MB = 1024 * 1024


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp3", b"ID3\x03".ljust(50 * MB, b"\0")),
        ("a.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", bytes(5 * MB - 20))),
        ("a.docx", word("Cells.", parts={"word/media/image1.png": randbytes(19 * MB)})),
    ],
    ids=["sound", "picture", "document"],
)
async def test_it_takes_large_files(ann: User, name: str, content: bytes) -> None:
    answer = await ann.post("/api/chat/upload", files={"file": (name, content)})
    assert answer.status_code == 200, answer.text


# accounts, profiles, notifications, administration


async def test_it_reads_msg_and_token_of_accounts_too(house: House) -> None:
    root, ann = await staff(house), await house.user()
    id = await id_of(house, "ann@example.org")
    note = "INSERT INTO notification (user_id, title, message, created_at) VALUES "
    await house.sql(f"{note} ({id}, 'N', 'm', '2026-03-01 09:00:00.000000')")
    new = {"email": "b@example.org", "password": PASSWORD, "username": "b", "role": "student"}
    edit = {"bio": "x"}
    for user, method, path, body in (
        (ann, "GET", "/api/user/profile", None),
        (ann, "POST", "/api/user/profile", edit),
        (ann, "GET", "/api/user/notifications", None),
        (ann, "PUT", "/api/user/notifications/1/read", None),
        (ann, "POST", "/api/user/tutor_request", None),
        (root, "POST", "/api/admin/users", new),
        (root, "PUT", f"/api/admin/users/{id}", edit),
        (root, "GET", "/api/admin/users", None),
        (root, "GET", "/api/admin/user-action-logs", None),
        (root, "POST", "/api/admin/tutor_requests/1/reject", None),
        (root, "DELETE", f"/api/admin/users/{id}", None),
        (root, "POST", "/api/logout", None),
    ):
        answer = await house.client.request(method, path, json=body, headers=user.headers)
        assert answer.status_code in (200, 201), (path, answer.text)
        assert "token" not in fields_of(answer), path
        assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_code_logs_nobody_out(house: House) -> None:
    ann = await house.user()
    change = {"code": "000000", "new_password": "another good horse"}
    wrong = (400, "Invalid or expired verification code", "invalid_code")
    assert refusal(await ann.post("/api/update_password", json=change)) == wrong
    leaving = await house.client.request(
        "DELETE", "/api/user/delete_account", headers=ann.headers, json={"code": "000000"}
    )
    assert refusal(leaving) == wrong
    for answer in (
        await ann.get("/api/admin/users"),
        await ann.post("/api/user/profile", json={"bio": 5}),
        await ann.post("/api/user/avatar"),
        await house.client.put("/api/user/notifications/999/read", headers=ann.headers),
    ):
        assert answer.status_code in (400, 403, 404)
    assert (await ann.get("/api/token_status")).status_code == 200


async def test_it_drops_its_token_and_is_told_422(home: House) -> None:
    answer = await home.client.post("/api/logout", headers={"Authorization": "Bearer null"})
    assert refusal(answer) == (422, "Not enough segments", "malformed_token")


async def test_it_polls_the_badge(ann: User, home_redis: Redis) -> None:
    """One indexed query, besides the one for the account; and it is no activity."""
    (key,) = [key for key in home_redis.keys("token:*") if home_redis.get(key) == b"ann@example.org"]
    home_redis.expire(key, 1000)
    with statements() as asked:
        answer = await ann.get("/api/user/notifications?page=1&limit=1")
    assert set(answer.json()) == {"notifications", "total", "unread_count", "page", "limit"}
    assert int(home_redis.ttl(key)) <= 1000
    (query,) = [one for one in asked if "notification" in one]
    assert len([one for one in asked if " FROM user" in one.replace("\n", " ")]) == 1
    filled = query.replace("?", "1")
    plan = " ".join(str(row[3]) for row in await ann.house.sql(f"EXPLAIN QUERY PLAN {filled}"))
    assert "USING INDEX ix_notification_user_id_is_read_id" in plan or "USING COVERING INDEX" in plan
    assert "SCAN notification" not in plan


async def test_it_compares_the_role_of_the_profile(tmp_path: Path, redis: Redis, valkey_url: str) -> None:
    """Exactly `tutor` opens its administration, which works where TUTORS_ADMINISTER is set."""
    async with a_house(tmp_path, REDIS_URL=valkey_url, TUTORS_ADMINISTER="true") as house:
        for email, role in ((ROOT, "admin"), (TIM, "tutor")):
            user = await staff(house, email, role)
            assert (await user.get("/api/user/profile")).json()["role"] == role
            assert jwt.decode(user.token, options={"verify_signature": False})["role"] == role
            assert (await call(user, "GET", "/users")).status_code == 200
        ann = await house.user()
        assert (await ann.get("/api/user/profile")).json()["role"] == "student"


async def test_it_takes_ids_for_texts_and_sends_their_digits_back(house: House) -> None:
    root, _ = await staff(house), await house.user()
    for row in (await call(root, "GET", "/users")).json()["users"]:
        assert isinstance(row["id"], str)
        digits = row["id"].removeprefix("U")
        assert re.fullmatch(r"\d{3,}", digits)
        assert (await call(root, "PUT", f"/users/{digits}", json={"bio": "x"})).status_code == 200


async def test_it_wraps_the_parameters_of_administration_too(house: House) -> None:
    root = await staff(house)
    query = "?params[page]=2&params[limit]=100&params[search]=&params[role]=&timeout=30000"
    body = (await call(root, "GET", f"/users{query}")).json()
    assert (body["page"], body["limit"], body["total"], body["users"]) == (2, 100, 1, [])


async def test_it_sends_bodies_with_delete_and_none_with_put(house: House) -> None:
    root, ann = await staff(house), await house.user()
    id = await id_of(house, "ann@example.org")
    await house.sql(
        "INSERT INTO notification (user_id, title, message, created_at) "
        f"VALUES ({id}, 'N', 'm', '2026-03-01 09:00:00.000000')"
    )
    kind = {"Content-Type": "application/json"}
    for user, method, path, body in (
        (ann, "PUT", "/api/user/notifications/1/read", b""),
        (ann, "GET", "/api/user/profile", b""),
        (root, "GET", "/api/admin/users", b""),
        (root, "DELETE", f"/api/admin/users/{id}", b'{"reason": "left", "timeout": 30000}'),
    ):
        answer = await house.client.request(method, path, content=body, headers={**user.headers, **kind})
        assert answer.status_code == 200, path


async def test_it_edits_users_and_expects_it_done(house: House) -> None:
    root, _ = await staff(house), await house.user()
    texts = {"phone": "0123", "full_name": "Ann B.", "bio": "Biologist"}
    fields = {"email": "ann.b@example.org", **texts, "type": "user", "status": "active"}
    assert (await call(root, "PUT", "/users/002", json=fields)).status_code == 200
    found = await shown(root, "ann.b@example.org")
    assert {name: found[name] for name in texts} == texts


async def test_it_makes_users_with_a_password_that_is_refused(house: House) -> None:
    root = await staff(house)
    fields = {"email": "b@example.org", "password": "123456", "username": "b", "role": "student"}
    answer = await call(root, "POST", "/users", json=fields)
    assert refusal(answer) == (400, "Password must be between 8 and 128 characters", "weak_password")
    assert len((await call(root, "GET", "/users")).json()["users"]) == 1


async def test_it_shows_log_arrays_as_old_and_new(house: House) -> None:
    root = await staff(house)
    await call(root, "PUT", "/users/1", json={"bio": "x", "phone": "1"})
    body = (await call(root, "GET", "/user-action-logs?per_page=10&page=1")).json()
    assert (body["per_page"], body["logs"][0]["details"]) == (10, {"bio": ["", "x"], "phone": ["", "1"]})


async def test_it_puts_the_origin_before_the_picture_of_a_profile(ann: User, bob: User) -> None:
    assert (await bob.post("/api/user/avatar", files={"avatar": ("me.png", a_picture())})).status_code == 200
    for user in (ann, bob):
        url = (await user.get("/api/user/profile")).json()["avatar_url"]
        assert url.startswith("/static/avatars/")
        assert (await user.house.client.get(url)).headers["content-type"] == "image/png"


async def test_it_parses_the_dates_of_accounts(house: House) -> None:
    root, ann = await staff(house), await house.user()
    await ann.post("/api/user/tutor_request")
    user = (await call(root, "GET", "/users")).json()["users"][0]
    line = (await call(root, "GET", "/user-action-logs")).json()["logs"][0]
    request = (await call(root, "GET", "/tutor_requests")).json()["requests"][0]
    note = (await root.get("/api/user/notifications")).json()["notifications"][0]
    moments = [user["created_at"], user["last_login"], line["timestamp"], request["created_at"]]
    for moment in (*moments, note["created_at"]):
        assert ISO.fullmatch(moment), moment


async def test_it_shows_a_favourites_tab(house: House) -> None:
    """Plural favourites and full titles, in the order of their last use."""
    ann = await house.user()
    titles = ["[MATH] fractions", "[BIOLOGY] " + "cells " * 18, "[MATH] sums"]
    sessions = [await ann.new_session(title) for title in titles]
    for session in sessions[:2]:
        answer = await ann.post(f"/api/chat/{session}/favorite", json={"is_favorite": True})
        assert "token" not in answer.json()
    history = (await ann.get("/api/chat/history")).json()
    assert [line["id"] for line in history] == sessions[::-1]
    assert [line["title"] for line in history] == [title.strip() for title in titles[::-1]]
    assert [line["is_favorite"] for line in history] == [False, True, True]


async def test_it_sends_a_json_body_when_it_deletes_a_session(ann: User) -> None:
    for body in (b"", b"{}", b'{"session_id": 1}'):
        session = await ann.new_session()
        headers = {**ann.headers, "Content-Type": "application/json"}
        answer = await ann.house.client.request(
            "DELETE", f"/api/chat/{session}", headers=headers, content=body
        )
        assert fields_of(answer) == {"msg": f"Session {session} deleted"}


async def test_it_wraps_the_parameters_of_a_search_and_parses_its_dates(ann: User) -> None:
    await ann.ask("Rhododendron?")
    answer = await ann.get("/api/chat/search?params[q]=rhodo&params[page]=1&params[limit]=5&timeout=30000")
    assert answer.json()
    for item in answer.json():
        assert ISO.fullmatch(item["created_at"])


async def test_it_is_logged_out_by_no_route_of_a_session(ann: User, bob: User) -> None:
    foreign = await bob.new_session()
    client = ann.house.client
    wrong = [
        await ann.post(f"/api/chat/{foreign}/favorite"),
        await client.put(f"/api/chat/{foreign}", headers=ann.headers, json={"title": "x"}),
        await client.delete(f"/api/chat/{foreign}", headers=ann.headers),
        await ann.get("/api/message/1000000/versions"),
        await ann.get("/api/chat/search?q=%00"),
    ]
    assert {answer.status_code for answer in wrong} == {400, 404}
    for answer in wrong:
        assert isinstance(refusal(answer)[1], str)


@pytest.mark.parametrize(
    "name", ["a b.txt", "文档.txt", "50%.txt", "what? why?.txt", "C# in brief.txt", "a#b?c.txt", "x&y=1.txt"]
)
async def test_it_deletes_by_the_name_it_shows_but_leaves_two_signs_unencoded(bob: User, name: str) -> None:
    await bob.post("/api/chat/upload", files={"file": (name, b"The nucleus holds the DNA.")})
    (shown,) = [file["filename"] for file in (await bob.get("/api/user_files")).json()["files"]]
    assert shown == name
    target = quote(shown, safe="#?").partition("#")[0]  # what stands behind it never leaves the browser
    body = '{"filename":"x"}'
    head = (
        f"DELETE /api/upload/{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {bob.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    answer = await exchange(bob.house.url, f"{head}\r\n{body}")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert (await bob.get("/api/user_files")).json()["files"] == []


async def test_it_builds_an_address_from_the_number_of_a_file(ann: User, small_file: Path) -> None:
    number = (await ann.upload(small_file)).json()["file_id"]
    answer = await ann.house.client.get(f"/api/download/{number}", headers={**ann.headers, **FRONT})
    assert answer.content == small_file.read_bytes()
    assert answer.headers["access-control-allow-origin"] in ("*", FRONT["Origin"])
    assert "Content-Disposition" in answer.headers["access-control-expose-headers"]


async def test_it_splits_the_names_of_public_files(house: House) -> None:
    tim = await staff(house, TIM, "tutor")
    for name in ("notes.v2.txt", "文档.txt"):
        await tim.post("/api/upload", files={"file": (name, b"The nucleus holds the DNA.")})
    files = (await tim.get("/api/public_files")).json()["files"]
    assert [name.split(".")[-1] for name in files] == ["txt", "txt"]


async def test_files_log_nobody_out_and_say_msg_and_no_token(ann: User, bob: User, small_file: Path) -> None:
    foreign = (await bob.upload(small_file)).json()["file_id"]
    own = (await ann.upload(small_file)).json()["file_id"]
    client = ann.house.client
    refused = [
        await ann.get(f"/api/files/{foreign}"),
        await ann.get("/api/public_files"),
        await ann.get("/api/upload/users"),
        await ann.post("/api/upload"),
        await client.request("DELETE", "/api/upload/nothing.txt", headers=ann.headers, json={}),
        await client.request("DELETE", f"/api/files/{foreign}", headers=ann.headers, json={}),
    ]
    assert {answer.status_code for answer in refused} == {400, 403, 404}
    assert all(isinstance(answer.json()["msg"], str) for answer in refused)
    done = [
        await ann.post("/api/upload", files={"file": ("a.txt", b"The nucleus holds the DNA.")}),
        await client.request("DELETE", "/api/upload/a.txt", headers=ann.headers, json={}),
        await client.request("DELETE", f"/api/files/{own}", headers=ann.headers, json={}),
    ]
    for answer in done:
        assert answer.status_code == 200, answer.text
        assert "token" not in fields_of(answer)
