"""Profile, notifications, tutor requests (contract 3): shapes, refusals, what they leave behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from domain.job import MAX_ATTEMPTS
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import ISO, fields_of, refusal

UPDATED = {"msg": "User profile updated successfully"}
READ = {"msg": "Notification marked as read"}
NOT_FOUND = (404, "Notification not found", "not_found")


async def id_of(user: User) -> int:
    return int((await user.get("/api/user/profile")).json()["id"])


async def log_of(house: House, user: int) -> list[dict[str, Any]]:
    rows = await house.sql(
        f"SELECT details FROM user_action_log WHERE target_user_id = {user} AND action = 'update' ORDER BY id"
    )
    return [json.loads(details) for (details,) in rows]


async def put(user: User, path: str, **options: Any) -> Any:
    return await user.house.client.put(path, headers=user.headers, **options)


class TestProfile:
    async def test_a_fresh_one(self, home: House) -> None:
        eve = await home.user("eve.long@example.org")
        shown = await eve.get("/api/user/profile")

        assert shown.status_code == 200
        assert list(shown.json()) == [
            "id", "email", "username", "full_name", "avatar_url", "bio", "phone", "role",
        ]  # read as a table # fmt: skip
        assert shown.json() == {
            "id": await id_of(eve),
            "email": "eve.long@example.org",
            "username": "eve.long",
            "full_name": "",
            "avatar_url": "/static/avatars/default.png",
            "bio": "",
            "phone": "",
            "role": "student",
        }
        assert (await home.client.get(shown.json()["avatar_url"])).status_code == 200

    async def test_what_was_saved_is_shown_and_logged(self, home: House) -> None:
        fay = await home.user("fay@example.org")
        id = await id_of(fay)
        texts = {"username": "Fay", "full_name": "Fay Wu 吴", "phone": "+49 30 1", "bio": "<b>x</b>\nline"}
        saved = await fay.post("/api/user/profile", json=texts)
        assert (saved.status_code, saved.json()) == (200, UPDATED)
        again = await fay.post("/api/user/profile", json=texts)
        assert (again.status_code, again.json()) == (200, UPDATED)

        assert texts.items() <= (await fay.get("/api/user/profile")).json().items()
        assert await log_of(home, id) == [
            {
                "username": ["fay", "Fay"],
                "full_name": ["", "Fay Wu 吴"],
                "phone": ["", "+49 30 1"],
                "bio": ["", "<b>x</b>\nline"],
            }
        ]

    async def test_six_hundred_changes_an_hour(self, home: House) -> None:
        lou = await home.user("lou@example.org")
        id = await id_of(lou)
        accepted = 0
        while (answer := await lou.post("/api/user/profile", json={"bio": str(accepted)})).status_code == 200:
            accepted += 1
        assert 600 <= accepted < 620  # one more every six seconds
        assert (await lou.post("/api/user/profile", json={})).status_code == 200  # asks for nothing
        assert refusal(answer) == (429, "Too many requests. Please try again later.", "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 6
        assert len(await log_of(home, id)) == accepted

    async def test_absent_keeps_and_empty_clears_but_the_username(self, ann: User) -> None:
        await ann.post("/api/user/profile", json={"username": "Ann", "full_name": "Ann Lee", "bio": "x"})
        await ann.post("/api/user/profile", json={"username": "", "full_name": "", "bio": None})
        shown = (await ann.get("/api/user/profile")).json()

        assert (shown["username"], shown["full_name"], shown["bio"]) == ("Ann", "", "x")

    @pytest.mark.parametrize("body", [b"", b"{}"])
    async def test_nothing_to_save_is_saved(self, ann: User, body: bytes) -> None:
        answer = await ann.post("/api/user/profile", content=body)

        assert (answer.status_code, answer.json()) == (200, UPDATED)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("username", "x" * 51),
            ("full_name", "x" * 51),
            ("phone", "1" * 21),
            ("bio", "x" * 2001),
            ("username", 1),
            ("username", True),
            ("phone", 491234),
            ("phone", []),
            ("bio", {}),
            ("bio", 1.5),
            ("bio", "a\x00b"),
            ("bio", "\ud800"),
        ],
    )
    async def test_bad_values_are_refused_by_name(self, ann: User, field: str, value: object) -> None:
        before = (await ann.get("/api/user/profile")).json()
        body = json.dumps({"full_name": "not kept", field: value})
        answer = await ann.post("/api/user/profile", content=body)

        assert refusal(answer)[0] == 400
        if value != "\ud800":
            assert refusal(answer) == (400, f"Invalid value for '{field}'", "invalid_field")
        assert (await ann.get("/api/user/profile")).json() == before

    async def test_nothing_else_binds(self, ann: User) -> None:
        before = (await ann.get("/api/user/profile")).json()
        other = {"id": 7, "role": "admin", "status": "banned", "email": "x@example.org", "avatar_url": "/x"}
        assert (await ann.post("/api/user/profile", json={**other, "tokens_from": None})).json() == UPDATED

        assert (await ann.get("/api/user/profile")).json() == before

    @pytest.mark.parametrize(
        "text",
        [
            "'; DROP TABLE user; --",
            '" OR 1=1 --',
            "\\' %_ \\\\ {0} %s $1 :name ${x}",
            "<script>alert(1)</script> &amp; ]]>",
            "\u202e\u200b\ufeff\u0001 \t\r\n",
            "=cmd|' /C calc'!A0",
            "😀 文 عربى",
        ],
    )
    async def test_any_text_comes_back_as_it_is(self, ann: User, text: str) -> None:
        """IN-5, IN-12: it is data, in JSON that no browser takes for a page."""
        fields = dict.fromkeys(("username", "full_name", "bio"), text)
        assert (await ann.post("/api/user/profile", json=fields)).json() == UPDATED
        shown = await ann.get("/api/user/profile")
        assert fields_of(shown).items() >= fields.items()

    async def test_the_longest_texts_fit(self, ann: User) -> None:
        texts = {"username": "文" * 50, "full_name": "é" * 50, "phone": "1" * 20, "bio": "😀" * 2000}
        assert (await ann.post("/api/user/profile", json=texts)).json() == UPDATED
        assert (await ann.get("/api/user/profile")).json().items() >= texts.items()

    async def test_a_missing_row_is_made(self, home: House) -> None:
        gil = await home.user("gil@example.org")
        id = await id_of(gil)
        await home.sql(f"DELETE FROM user_profile WHERE user_id = {id}")
        shown = await asyncio.gather(*(gil.get("/api/user/profile") for _ in range(6)))

        assert [answer.status_code for answer in shown] == [200] * 6
        assert shown[0].json()["username"] == "gil"
        assert await home.sql(f"SELECT count(*) FROM user_profile WHERE user_id = {id}") == [(1,)]

    async def test_saving_never_touches_the_last_login(self, home: House, bob: User) -> None:
        query = f"SELECT last_login FROM user WHERE id = {await id_of(bob)}"
        before = await home.sql(query)
        await bob.post("/api/user/profile", json={"bio": "touched"})

        assert await home.sql(query) == before


@pytest.fixture(scope="module")
async def told(home: House) -> User:
    """Somebody with five notifications, the second of which is read."""
    hal = await home.user("hal@example.org")
    id = await id_of(hal)
    for n in range(1, 6):
        await home.sql(
            "INSERT INTO notification (user_id, title, message, type, is_read, created_at) "
            f"VALUES ({id}, 'N{n}', 'm{n}', 'info', {int(n == 2)}, '2026-03-01 09:00:0{n}.000000')"
        )
    return hal


async def listed(user: User, query: str = "") -> dict[str, Any]:
    answer = await user.get(f"/api/user/notifications{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


class TestNotifications:
    async def test_nobody_told_anything(self, home: House) -> None:
        ivy = await home.user("ivy@example.org")

        assert await listed(ivy) == {
            "notifications": [], "total": 0, "unread_count": 0, "page": 1, "limit": 10,
        }  # read as a table # fmt: skip

    async def test_newest_first_in_the_contracts_shape(self, told: User) -> None:
        body = await listed(told)
        first = body["notifications"][0]

        assert list(body) == ["notifications", "total", "unread_count", "page", "limit"]
        assert list(first) == ["id", "title", "message", "type", "is_read", "created_at"]
        assert [line["title"] for line in body["notifications"]] == ["N5", "N4", "N3", "N2", "N1"]
        assert (body["total"], body["unread_count"]) == (5, 4)
        assert ISO.fullmatch(first["created_at"])
        assert first["is_read"] is False

    async def test_the_badge(self, told: User) -> None:
        body = await listed(told, "?page=1&limit=1")

        assert (len(body["notifications"]), body["total"], body["unread_count"]) == (1, 5, 4)

    @pytest.mark.parametrize("word", ["true", "1", "yes", "ON"])
    async def test_only_what_is_unread(self, told: User, word: str) -> None:
        body = await listed(told, f"?unread_only={word}")

        assert [line["title"] for line in body["notifications"]] == ["N5", "N4", "N3", "N1"]
        assert (body["total"], body["unread_count"]) == (4, 4)

    @pytest.mark.parametrize(
        ("query", "page", "limit"),
        [
            ("?page=2&limit=2", 2, 2),
            ("?page=-3&limit=0", 1, 1),
            ("?page=x&limit=", 1, 10),
            ("?limit=9999", 1, 100),
            ("?params[page]=2&params[limit]=3&timeout=30000", 2, 3),
            ("?page=99999999999999999999", (2**63 - 1) // 100, 10),
        ],
    )
    async def test_paging_is_clamped_and_echoed(self, told: User, query: str, page: int, limit: int) -> None:
        body = await listed(told, query)

        assert (body["page"], body["limit"], body["total"]) == (page, limit, 5)
        assert len(body["notifications"]) == max(0, min(limit, 5 - (page - 1) * limit))

    @pytest.mark.parametrize("word", ["false", "0", "No", "OFF", "", "null", "undefined"])
    async def test_or_all(self, told: User, word: str) -> None:
        for query in (f"?unread_only={word}", f"?params[unread_only]={word}"):
            assert (await listed(told, query))["total"] == 5

    async def test_a_word_that_is_no_boolean_is_refused(self, told: User) -> None:
        answer = await told.get("/api/user/notifications?unread_only=maybe")

        assert refusal(answer) == (400, "Invalid value for 'unread_only'", "invalid_field")

    async def test_asking_is_no_activity(self, home: House, home_redis: Redis, told: User) -> None:
        (key,) = [k for k in home_redis.keys("token:*") if home_redis.get(k) == b"hal@example.org"]
        home_redis.expire(key, 1000)
        await listed(told)
        assert int(home_redis.ttl(key)) <= 1000
        await told.get("/api/user/profile")
        assert int(home_redis.ttl(key)) > 1000

    async def test_reading_one(self, home: House) -> None:
        jon = await home.user("jon@example.org")
        id = await id_of(jon)
        await home.sql(
            "INSERT INTO notification (user_id, title, message, created_at) "
            f"VALUES ({id}, 'N', 'm', '2026-03-01 09:00:00.000000')"
        )
        number = (await listed(jon))["notifications"][0]["id"]
        for path, body in (
            (f"{number}", {}),
            (f"000{number}", {"json": {}}),
            (f"{number}", {"json": {"x": 1}}),
        ):
            answer = await put(jon, f"/api/user/notifications/{path}/read", **body)
            assert (answer.status_code, answer.json()) == (200, READ)

        assert (await listed(jon))["unread_count"] == 0

    async def test_what_is_somebody_elses_looks_like_nothing(self, told: User, bob: User) -> None:
        number = (await listed(told))["notifications"][0]["id"]
        for name in (str(number), "999999", "0", "-1", "x", "1.5", "9" * 19, "9" * 30, "%00", "1e3", "٣"):
            answer = await put(bob, f"/api/user/notifications/{name}/read")
            assert refusal(answer) == NOT_FOUND, name

        foreign, missing = [
            (await put(bob, f"/api/user/notifications/{name}/read")).json() for name in (number, 999_999)
        ]
        del foreign["request_id"], missing["request_id"]
        assert foreign == missing  # AZ-2, AZ-8

        assert (await listed(told))["unread_count"] == 4


async def an_admin(house: House, name: str = "ada") -> User:
    admin = await house.user(f"{name}@example.org")
    await house.sql(f"UPDATE user SET role = 'admin' WHERE email = '{name}@example.org'")
    return admin


SUBMITTED = {"msg": "Tutor request submitted", "status": "pending"}


class TestTutorRequest:
    async def test_every_admin_is_told_and_mailed(self, house: House) -> None:
        admins = [await an_admin(house, name) for name in ("ada", "bea")]
        ann = await house.user()
        asked = await ann.post("/api/user/tutor_request", json={"reason": "I teach <biology>."})

        assert (asked.status_code, asked.json()) == (200, SUBMITTED)
        assert await house.sql("SELECT user_id, reason, status FROM tutor_request") == [
            (await id_of(ann), "I teach <biology>.", "pending")
        ]
        for admin, name in zip(admins, ("ada", "bea"), strict=True):
            (note,) = (await listed(admin))["notifications"]
            assert (note["title"], note["type"]) == ("New tutor request", "info")
            mail = await mail_about(house, f"{name}@example.org", "New tutor request")
            assert "ann@example.org" in mail["text"]
            assert "I teach <biology>." in mail["text"]
        page = (await house.client.get("/dev/mailbox")).text
        assert "I teach &lt;biology&gt;." in page

        again = await ann.post("/api/user/tutor_request")
        assert refusal(again) == (409, "A tutor request is already pending", "already_pending")
        tutor = refusal(await admins[0].post("/api/user/tutor_request"))
        assert tutor == (409, "You are already a tutor", "already_decided")

    async def test_registering_as_a_tutor_asks_the_same_way(self, house: House) -> None:
        await an_admin(house)
        registered = await house.register("ben@example.org", role="tutor")
        ben = await house.login("ben@example.org")

        assert registered.json() == {"msg": "Registration successful", "tutor_request": "pending"}
        assert "ben@example.org" in (await mail_about(house, "ada@example.org", "New tutor request"))["text"]
        assert refusal(await ben.post("/api/user/tutor_request"))[2] == "already_pending"

    async def test_of_many_at_once_one_is_made(self, house: House) -> None:
        ann = await house.user()
        answers = await asyncio.gather(*(ann.post("/api/user/tutor_request") for _ in range(10)))

        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
        assert await house.sql("SELECT count(*) FROM tutor_request") == [(1,)]

    @pytest.mark.parametrize("reason", [5, ["x"], "x" * 501, "a\x00"])
    async def test_a_reason_is_a_text_of_bounded_length(self, ann: User, reason: object) -> None:
        answer = await ann.post("/api/user/tutor_request", json={"reason": reason})

        assert refusal(answer) == (400, "Invalid value for 'reason'", "invalid_field")


async def mail_about(house: House, to: str, subject: str) -> dict[str, str]:
    """The mail, once it is there; that exactly one comes is what mail tests ask."""
    for _ in range(100):
        for mail in await house.mails_to(to):
            if mail["subject"] == subject:
                assert set(mail) == {"to", "subject", "text", "created_at"}
                return mail
        await asyncio.sleep(0.05)
    raise AssertionError(f"no mail about {subject} to {to}")


@pytest.fixture(params=["open", "closed"])
async def other_house(
    request: pytest.FixtureRequest, tmp_path: Path, redis: Redis, valkey: Valkey
) -> AsyncIterator[House]:
    async with a_house(tmp_path, REDIS_URL=valkey.url, TUTOR_SIGNUP=request.param) as house:
        yield house


async def test_where_it_is_open_or_closed(other_house: House) -> None:
    ann = await other_house.user()
    answer = await ann.post("/api/user/tutor_request", json={"reason": ""})
    if other_house.settings.tutor_signup == "closed":
        assert refusal(answer) == (403, "Tutor sign-up is closed", "forbidden")
        return

    assert answer.json() == {"msg": "Tutor request submitted", "status": "approved"}
    ended = refusal(await ann.get("/api/user/profile"))
    assert ended == (401, "Token is invalid or expired.", "token_revoked")
    ann = await other_house.login("ann@example.org")
    assert (await ann.get("/api/user/profile")).json()["role"] == "tutor"
    assert await log_of(other_house, await id_of(ann)) == [{"role": ["student", "tutor"]}]
    again = await ann.post("/api/user/tutor_request")
    assert refusal(again) == (409, "You are already a tutor", "already_decided")


class TestDocuments:
    async def test_whoever_uploads_is_told_when_it_can_be_searched(
        self, house: House, tmp_path: Path
    ) -> None:
        ann = await house.user()
        await upload(ann, tmp_path)
        note = await first_note(ann)

        assert (note["title"], note["type"]) == ("Document ready", "success")
        assert "cells.txt" in note["message"]

    async def test_and_when_it_never_will_be(self, tmp_path: Path, redis: Redis, valkey: Valkey) -> None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        async with a_house(
            tmp_path, REDIS_URL=valkey.url, RAG_URL=nowhere, RAG_INDEX_WAIT_SECONDS="1"
        ) as house:
            ann = await house.user()
            await upload(ann, tmp_path)
            assert (await listed(ann))["total"] == 0  # there is hope
            await house.sql(
                f"UPDATE job SET attempts = {MAX_ATTEMPTS - 1}, run_at = '2026-01-01 00:00:00.000000'"
            )
            note = await first_note(ann)

            assert (note["title"], note["type"]) == ("Document not indexed", "error")


async def upload(user: User, folder: Path) -> None:
    file = folder / "cells.txt"
    file.write_text("The mitochondrion makes the energy of the cell.", "utf-8")
    assert (await user.upload(file)).status_code == 200


async def first_note(user: User) -> dict[str, Any]:
    for _ in range(200):
        if notes := (await listed(user))["notifications"]:
            note: dict[str, Any] = notes[0]
            return note
        await asyncio.sleep(0.05)
    raise AssertionError("nobody told")
