"""A whole journey, read back from the logs (OB-1, OB-2): no secret and no chat text in them."""

from pathlib import Path
from urllib.parse import quote

from redis import Redis

from entrypoints.admin import create_admin
from tests.integration.house import PASSWORD, House
from tests.integration.http.listening import listening
from tests.integration.http.logged import Logged

ANN, SECOND, THIRD = "ann@example.org", "another good horse", "a third good horse"
NAME = "pteranodon diagnosis.txt"
QUESTION, TITLE = "xylophone-question-4711", "zeppelin-title-0815"


async def test_logs_hold_no_secrets(house: House, tmp_path: Path, logs: Logged) -> None:
    await house.client.post("/api/login", json={"email": "ann@example.org", "password": "a-wrong-secret"})
    await house.register("ann@example.org")
    code = await house.code_for("ann@example.org")
    ann = await house.login("ann@example.org")
    notes = tmp_path / "notes.txt"
    notes.write_text("quokka-document-text in a sentence.", "utf-8")
    session = await ann.new_session(TITLE)
    await ann.upload(notes, session)
    told = await ann.ask(QUESTION, session)
    async with listening(ann, f"{QUESTION} [[end=error]]") as stream:
        await stream.chunks()
    await ann.post("/api/chat/stream", data={"message": f"{QUESTION} [[status=500]]"})
    await house.client.get("/api/chat/history", params={"token": ann.token})
    await house.client.post("/api/login", content=b'{"password": "broken-secret')
    await ann.messages(session)
    await ann.post("/api/logout")
    await ann.get("/api/chat/history")

    written = logs.text
    assert len(logs.of("request")) > 12
    house_keys = [house.settings.jwt_secret_key, house.settings.secret_key]
    secrets = [PASSWORD, "a-wrong-secret", "broken-secret", ann.token, ann.token.split(".")[2], *house_keys]
    for secret in (*secrets, QUESTION, TITLE, "quokka", told.text[:40], "Bearer "):
        assert secret not in written, secret
    numbers = {value for line in logs.lines for value in line.values() if isinstance(value, str | int)}
    assert not {code, int(code)} & numbers


async def test_logs_hold_nothing_of_what_happens_to_accounts(
    house: House, logs: Logged, redis: Redis
) -> None:
    """Every route of accounts, profiles and administration, each also with a refusal."""
    await create_admin(house.settings, "root@example.org", PASSWORD, "admin")
    root = await house.login("root@example.org")
    codes: set[str] = set()

    async def code(purpose: str, about: str) -> str:
        for key in redis.scan_iter("code_wait:*"):
            redis.delete(key)
        await house.client.post("/api/send_verification", json={"email": ANN, "purpose": purpose})
        codes.add(found := await house.code_for(ANN, about))
        return found

    await house.register(ANN, role="tutor")
    codes.add(await house.code_for(ANN))
    ann = await house.login(ANN)
    profile = {"username": "walrus-name", "bio": "narwhal-biography", "phone": "+49-4711-0815"}
    assert (await ann.post("/api/user/profile", json=profile)).status_code == 200
    assert (await ann.post("/api/user/profile", json={"bio": ["pangolin-biography"]})).status_code == 400
    picture = {"avatar": ("platypus.png", b"\x89PNG\r\n\x1a\nbroken-picture")}
    assert (await ann.post("/api/user/avatar", files=picture)).status_code == 400
    await ann.get("/api/user/notifications")
    await ann.post("/api/user/tutor_request", json={"reason": "axolotl-reason"})
    fields = {"code": await code("update_password", "change your password"), "new_password": SECOND}
    assert (await ann.post("/api/update_password", json={**fields, "code": "123"})).status_code == 400
    assert (await ann.post("/api/update_password", json=fields)).status_code == 200
    fields = {
        "email": ANN,
        "code": await code("reset_password", "reset your password"),
        "new_password": THIRD,
    }
    assert (await house.client.post("/api/reset_password", json=fields)).status_code == 200
    again = await house.login(ANN, THIRD)
    made = {"email": "ben@example.org", "password": SECOND, "username": "okapi-name", "role": "student"}
    assert (await root.post("/api/admin/users", json=made)).status_code == 201
    await root.get("/api/admin/users", params={"search": "quokka-search"})
    edit = {"full_name": "capybara-name", "status": "banned"}
    client, headers = house.client, root.headers
    assert (await client.put("/api/admin/users/2", headers=headers, json=edit)).status_code == 200
    assert (await again.get("/api/user/profile")).status_code == 401
    edit = {"status": "active"}
    assert (await client.put("/api/admin/users/2", headers=headers, json=edit)).status_code == 200
    last = await house.login(ANN, THIRD)
    assert (await last.get("/api/user/export")).status_code == 200
    leave = {"code": await code("delete_account", "delete your account")}
    gone = await client.request("DELETE", "/api/user/delete_account", headers=last.headers, json=leave)
    assert gone.status_code == 200, gone.text

    written = logs.text
    tokens = [user.token for user in (root, ann, again, last)]
    words = [
        *profile.values(),
        "pangolin",
        "platypus",
        "broken-picture",
        "axolotl",
        "okapi",
        "quokka",
        "capybara",
    ]
    passwords = [PASSWORD, SECOND, THIRD]
    addresses = [ANN, "ben@example.org", "root@example.org"]
    for secret in (*tokens, *(t.split(".")[2] for t in tokens), *words, *passwords, *addresses, "argon2id"):
        assert secret not in written, secret
    numbers = {value for line in logs.lines for value in line.values() if isinstance(value, str | int)}
    assert not (codes | {int(code) for code in codes}) & numbers


async def test_logs_hold_no_name_of_a_file(house: House, tmp_path: Path, logs: Logged) -> None:
    """However the request for it ends, and wherever."""
    ann = await house.user()
    (tmp_path / NAME).write_text("Osmosis moves water.", "utf-8")
    await ann.upload(tmp_path / NAME)
    asked = [
        ("OPTIONS", "/api/upload/", {}, 200),  # the edge's own answer
        ("DELETE", "/api/upload/", {**ann.headers, "Content-Encoding": "gzip"}, 415),  # before it is routed
        ("POST", "/api/upload/", ann.headers, 405),
        ("DELETE", "/upload/", ann.headers, 404),  # no route
        ("DELETE", "/api/upload/", {}, 401),
        ("DELETE", "/api//upload//", ann.headers, 200),
        ("DELETE", "/api/upload/", ann.headers, 404),
    ]
    for method, path, headers, status in asked:
        answer = await house.client.request(method, path + quote(NAME), headers=headers)
        assert answer.status_code == status, answer.text

    assert "pteranodon" not in logs.text
    told = [line for line in logs.of("request") if line["path"].endswith("/upload/{name}")]
    assert [(line["method"], line["status"]) for line in told] == [
        (method, status) for method, _, _, status in asked
    ]


async def test_each_request_is_one_line_that_can_be_found_again(house: House, logs: Logged) -> None:
    answer = await house.client.get(
        "/api/nope\u2028%0d%0a%1b[31mforged", headers={"X-Request-Id": "find-me-again"}
    )

    assert answer.status_code == 404
    (line,) = [line for line in logs.lines if line.get("request_id") == "find-me-again"]
    assert (line["event"], line["status"], line["method"]) == ("request", 404, "GET")
    assert "\x1b" not in logs.text
