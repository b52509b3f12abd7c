"""Accounts as administrators see and change them (contract 6): shapes, refusals, side effects."""

import asyncio
import json
from itertools import product
from typing import Any

import pytest
from redis import Redis

from tests.integration.house import PASSWORD, House, User
from tests.integration.http.answers import ISO, refusal
from tests.integration.http.staff import ADA, ROOT, call, id_of, listed, logged, shown, staff
from tests.integration.http.test_accounts import mails_about

ANN = "ann@example.org"
DEAD = (401, "Token is invalid or expired.", "token_revoked")
BANNED = (401, "This account has been suspended.", "account_banned")
NEW = {"email": "new@school.org", "password": PASSWORD, "username": "newbie", "role": "tutor"}
DETAILS = {"full_name": "New Bie", "phone": "+49 30", "bio": "Über\nmich"}


@pytest.fixture
async def root(house: House) -> User:
    return await staff(house)


@pytest.fixture(scope="module")
async def chief(home: House) -> User:
    """Of the house that no test changes."""
    return await staff(home)


@pytest.fixture(scope="module")
async def anns_id(chief: User, ann: User) -> int:
    return await id_of(chief.house, ANN)


class TestListing:
    async def test_its_shape(self, root: User) -> None:
        await call(root, "POST", "/users", json={**NEW, **DETAILS})

        answer = await call(root, "GET", "/users")

        body = answer.json()
        assert answer.status_code == 200
        assert {k: v for k, v in body.items() if k != "users"} == {"total": 2, "page": 1, "limit": 20}
        first, second = body["users"]
        assert ISO.fullmatch(first.pop("created_at"))
        assert first == {
            "id": "U002",
            "email": "new@school.org",
            "username": "newbie",
            "full_name": "New Bie",
            "phone": "+49 30",
            "bio": "Über\nmich",
            "avatar": "/static/avatars/default.png",
            "role": "tutor",
            "status": "active",
            "last_login": None,
        }
        assert (second["id"], second["email"], second["role"]) == ("U001", ROOT, "admin")
        assert ISO.fullmatch(second["last_login"])

    @pytest.mark.parametrize(
        ("query", "page", "limit"),
        [
            ({}, 1, 20),
            ({"page": "2", "limit": "1"}, 2, 1),
            ({"params[page]": "2", "params[limit]": "100"}, 2, 100),
            ({"page": "0", "limit": "0"}, 1, 1),
            ({"page": "-3", "limit": "100000"}, 1, 200),
            ({"page": "x", "limit": "1e9"}, 1, 20),
            ({"page": "", "limit": "", "timeout": "30000"}, 1, 20),
            ({"page": "9" * 40}, (2**63 - 1) // 200, 20),
        ],
    )
    async def test_paging_is_clamped_never_refused(
        self, chief: User, query: dict[str, str], page: int, limit: int
    ) -> None:
        for path in ("/users", "/tutor_requests", "/models", "/knowledge"):
            body = (await call(chief, "GET", path, params=query)).json()
            assert (body["page"], body["limit"]) == (page, limit), path
        query = {name.replace("limit", "per_page"): value for name, value in query.items()}
        body = (await call(chief, "GET", "/user-action-logs", params=query)).json()
        assert (body["page"], body["per_page"]) == (page, limit)

    async def test_search_and_filters(self, root: User) -> None:
        await call(root, "POST", "/users", json={**NEW, **DETAILS})
        for query, found in (
            ({"search": "NEW"}, ["new@school.org"]),
            ({"search": "NEW BI"}, ["new@school.org"]),
            ({"search": "%"}, []),
            ({"search": "_"}, []),
            ({"search": ""}, ["new@school.org", ROOT]),
            ({"params[search]": "newb"}, ["new@school.org"]),
            ({"role": "admin"}, [ROOT]),
            ({"role": "Admin"}, []),
            ({"status": "active", "role": "tutor"}, ["new@school.org"]),
            ({"status": "banned"}, []),
        ):
            assert [one["email"] for one in await listed(root, **query)] == found, query

    async def test_of_a_repeated_filter_the_first_counts(self, root: User) -> None:
        """AZ-10."""
        for query, total in (("role=tutor&role=admin", 0), ("role=admin&role=tutor&params[role]=tutor", 1)):
            assert (await call(root, "GET", f"/users?{query}")).json()["total"] == total

    @pytest.mark.parametrize("name", ["search", "role", "status"])
    async def test_what_no_database_can_hold_is_refused(self, chief: User, name: str) -> None:
        answer = await call(chief, "GET", "/users", params={name: "a\x00b"})
        assert refusal(answer) == (400, f"Invalid value for '{name}'", "invalid_field")

    async def test_users_without_a_profile_are_there_and_the_deleted_are_not(
        self, root: User, house: House
    ) -> None:
        await call(root, "POST", "/users", json=NEW)
        await house.user(ANN)
        await house.sql("DELETE FROM user_profile WHERE user_id = 2")
        assert (await call(root, "DELETE", f"/users/{await id_of(house, ANN)}")).status_code == 200
        found = await listed(root)
        assert [one["email"] for one in found] == ["new@school.org", ROOT]
        assert {key for key, value in found[0].items() if value is None} == {"last_login"}
        assert (found[0]["username"], found[0]["avatar"]) == ("", "/static/avatars/default.png")


class TestCreating:
    async def test_every_field_is_kept_and_the_account_works(self, root: User, house: House) -> None:
        answer = await call(
            root, "POST", "/users", json={**NEW, **DETAILS, "avatar_url": "https://pics.example/n.png"}
        )
        assert (answer.status_code, answer.json()) == (
            201,
            {"msg": "User created successfully", "user_id": "002"},
        )
        made = await shown(root, "new@school.org")
        assert {name: made[name] for name in DETAILS} == DETAILS
        assert (made["avatar"], made["status"]) == ("https://pics.example/n.png", "active")
        await house.login("new@school.org")
        (line,) = await logged(root, action="create", target_user_email="new@school.org")
        assert (line["operator_email"], line["target_user_id"], line["details"]) == (
            ROOT,
            2,
            {"role": "tutor"},
        )

    async def test_what_is_left_out_has_its_default_and_the_owner_is_told(
        self, root: User, house: House
    ) -> None:
        """AU-15: he is asked to set a password that nobody else knows."""
        assert (await call(root, "POST", "/users", json=NEW)).status_code == 201
        made = await shown(root, NEW["email"])
        texts = {"full_name": "", "phone": "", "bio": "", "avatar": "/static/avatars/default.png"}
        assert made.items() >= {**texts, "status": "active", "role": "tutor", "username": "newbie"}.items()
        (mail,) = await mails_about(house, NEW["email"], "Your Virtual Tutor account")
        assert PASSWORD not in mail["text"]

    async def test_any_role_and_status(self, root: User) -> None:
        for role, status in product(["student", "tutor", "admin"], ["active", "inactive", "banned"]):
            email = f"{role}.{status}@school.org"
            await call(root, "POST", "/users", json={**NEW, "email": email, "role": role, "status": status})
            made = await shown(root, email)
            assert (made["role"], made["status"]) == (role, status)

    @pytest.mark.parametrize("missing", ["email", "password", "username", "role"])
    @pytest.mark.parametrize("how", ["absent", "empty", "null"])
    async def test_required_fields(self, chief: User, missing: str, how: str) -> None:
        fields: dict[str, Any] = {**NEW, missing: None if how == "null" else ""}
        if how == "absent":
            del fields[missing]
        answer = await call(chief, "POST", "/users", json=fields)
        assert refusal(answer) == (400, "Missing required fields", "missing_field")

    @pytest.mark.parametrize(
        ("wrong", "msg", "code"),
        [
            ({"email": "no address"}, "Invalid email address", "invalid_field"),
            ({"email": ["a@b.org"]}, "Invalid email address", "invalid_field"),
            ({"role": "Tutor"}, "Invalid role", "invalid_field"),
            ({"role": 1}, "Invalid role", "invalid_field"),
            ({"status": "BANNED"}, "Invalid status", "invalid_field"),
            ({"status": ""}, "Invalid status", "invalid_field"),  # in JSON "" is a value
            ({"username": "x" * 51}, "Invalid value for 'username'", "invalid_field"),
            ({"username": 5}, "Invalid value for 'username'", "invalid_field"),
            ({"full_name": "x" * 51}, "Invalid value for 'full_name'", "invalid_field"),
            ({"phone": "x" * 21}, "Invalid value for 'phone'", "invalid_field"),
            ({"bio": "x" * 2001}, "Invalid value for 'bio'", "invalid_field"),
            ({"bio": "a\x00"}, "Invalid value for 'bio'", "invalid_field"),
            ({"avatar_url": "javascript:x"}, "Invalid value for 'avatar_url'", "invalid_field"),
            ({"avatar_url": "/etc/passwd"}, "Invalid value for 'avatar_url'", "invalid_field"),
            ({"password": "123456"}, "Password must be between 8 and 128 characters", "weak_password"),
            ({"password": "password123"}, "This password is too common", "weak_password"),
            ({"password": "new@school.org"}, "This password is too common", "weak_password"),
            ({"password": 12345678}, "Invalid value for 'password'", "invalid_field"),
        ],
    )
    async def test_wrong_values_make_nothing(
        self, chief: User, wrong: dict[str, Any], msg: str, code: str
    ) -> None:
        answer = await call(chief, "POST", "/users", json={**NEW, **wrong})
        assert refusal(answer) == (400, msg, code)
        assert await listed(chief, search=NEW["email"]) == []

    async def test_of_several_mistakes_the_first_is_told(self, chief: User) -> None:
        every = {"email": ROOT, "password": "short", "username": "", "role": "x", "status": "x"}
        for mended, expected in (
            ({}, "Missing required fields"),
            ({"username": "x" * 51}, "Invalid role"),
            ({"role": "tutor"}, "Invalid status"),
            ({"status": "active"}, "Invalid value for 'username'"),
            ({"username": "x"}, "Password must be between 8 and 128 characters"),
        ):
            every |= mended
            assert refusal(await call(chief, "POST", "/users", json=every))[:2] == (400, expected)
        answer = await call(chief, "POST", "/users", json={**every, "password": PASSWORD})
        assert refusal(answer) == (409, "User already exists", "email_taken")

    async def test_an_address_has_one_account(self, root: User) -> None:
        for email in (ROOT, " ROOT@School.ORG"):
            answer = await call(root, "POST", "/users", json={**NEW, "email": email})
            assert refusal(answer) == (409, "User already exists", "email_taken")

    async def test_only_known_fields_bind(self, root: User, house: House) -> None:
        extra = {
            "id": 77,
            "user_id": 77,
            "created_at": "2001-01-01",
            "last_login": "2001-01-01",
            "tokens_from": 1,
        }
        answer = await call(root, "POST", "/users", json={**NEW, **extra})
        assert answer.json()["user_id"] == "002"
        made = await shown(root, "new@school.org")
        assert made["last_login"] is None
        assert not made["created_at"].startswith("2001")

    async def test_of_many_with_one_address_one_is_made(self, root: User) -> None:
        answers = await asyncio.gather(*(call(root, "POST", "/users", json=NEW) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


EDIT = {
    "email": "ann.b@school.org",
    "role": "tutor",
    "status": "active",
    "username": "annie",
    "full_name": "Ann B.",
    "phone": "0123",
    "bio": "Biologist",
}


class TestEditing:
    async def test_every_field_is_read_back(self, root: User, house: House) -> None:
        await house.user(ANN)
        answer = await call(
            root, "PUT", "/users/002", json={**EDIT, "id": 1, "password": "x", "last_login": None}
        )
        assert (answer.status_code, answer.json()) == (200, {"msg": "User updated successfully"})
        found = await shown(root, EDIT["email"])
        assert {name: found[name] for name in EDIT} == EDIT
        assert found["id"] == "U002"
        await house.login(EDIT["email"])  # with the password it always had
        (line,) = await logged(root, action="update")
        assert (
            line["operator_email"],
            line["target_user_id"],
            line["target_user_email"],
            line["reason"],
        ) == (
            ROOT,
            2,
            EDIT["email"],
            None,
        )
        assert line["details"] == {
            "email": [ANN, EDIT["email"]],
            "role": ["student", "tutor"],
            "username": ["ann", "annie"],
            "full_name": ["", "Ann B."],
            "phone": ["", "0123"],
            "bio": ["", "Biologist"],
        }

    async def test_each_field_alone(self, root: User, house: House) -> None:
        await house.user(ANN)
        email = ANN
        for name, value in EDIT.items():
            assert (await call(root, "PUT", "/users/2", json={name: value})).status_code == 200
            email = value if name == "email" else email
            assert (await shown(root, email))[name] == value, name

    async def test_an_empty_text_clears_or_keeps(self, root: User, house: House) -> None:
        await house.user(ANN)
        await call(root, "PUT", "/users/2", json=EDIT)
        answer = await call(root, "PUT", "/users/2", json={**dict.fromkeys(EDIT, ""), "bio": ""})
        assert answer.status_code == 200
        found = await shown(root, EDIT["email"])
        cleared = {"full_name": "", "phone": "", "bio": ""}
        assert {name: found[name] for name in EDIT} == {**EDIT, **cleared}
        await call(root, "PUT", "/users/2", json={"full_name": None, "role": None, "bio": "again"})
        assert (await shown(root, EDIT["email"]))["bio"] == "again"

    async def test_without_a_profile_one_is_made(self, root: User, house: House) -> None:
        await house.user(ANN)
        await house.sql("DELETE FROM user_profile WHERE user_id = 2")
        assert (await call(root, "PUT", "/users/2", json={"bio": "x"})).status_code == 200
        assert (await shown(root, ANN))["bio"] == "x"

    @pytest.mark.parametrize(
        "body", [None, b"", b"{}", b'{"unknown": 1}', b'{"email": ""}', b'{"role": null, "username": ""}']
    )
    async def test_nothing_to_change(self, chief: User, anns_id: int, body: bytes | None) -> None:
        answer = await call(chief, "PUT", f"/users/{anns_id}", content=body)
        assert refusal(answer) == (400, "Missing request data", "missing_field")

    @pytest.mark.parametrize(
        ("wrong", "msg"),
        [
            ({"email": "x"}, "Invalid email address"),
            ({"email": 5}, "Invalid email address"),
            ({"role": "superuser"}, "Invalid role"),
            ({"role": True}, "Invalid role"),
            ({"status": "deleted"}, "Invalid status"),
            ({"username": "x" * 51}, "Invalid value for 'username'"),
            ({"full_name": ["x"]}, "Invalid value for 'full_name'"),
            ({"phone": "1" * 21}, "Invalid value for 'phone'"),
            ({"bio": "\x00"}, "Invalid value for 'bio'"),
        ],
    )
    async def test_a_wrong_value_changes_nothing(
        self, chief: User, ann: User, anns_id: int, wrong: dict[str, Any], msg: str
    ) -> None:
        answer = await call(chief, "PUT", f"/users/{anns_id}", json={**EDIT, **wrong})
        assert refusal(answer) == (400, msg, "invalid_field")
        assert (await shown(chief, ANN))["full_name"] == ""
        assert (await ann.get("/api/chat/history")).status_code == 200

    async def test_a_taken_address_changes_nothing(self, root: User, house: House) -> None:
        ann = await house.user(ANN)
        answer = await call(root, "PUT", "/users/2", json={**EDIT, "email": " ROOT@school.org "})
        assert refusal(answer) == (409, "This email is already registered.", "email_taken")
        assert (await shown(root, ANN))["role"] == "student"
        assert await logged(root, action="update") == []
        assert (await ann.get("/api/chat/history")).status_code == 200

    @pytest.mark.parametrize("id", ["999", "0", "000", "U002", "-1", "x", "9" * 30, "²", "1.0"])
    async def test_nobody(self, chief: User, id: str) -> None:
        for method, path in (
            ("PUT", f"/users/{id}"),
            ("DELETE", f"/users/{id}"),
            ("POST", f"/users/{id}/logout"),
            ("POST", f"/users/{id}/send_reset"),
        ):
            answer = await call(chief, method, path, json={"bio": "x"})
            assert refusal(answer) == (404, "User not found", "not_found"), path

    async def test_a_new_role_counts_at_once_and_logs_out(
        self, root: User, house: House, redis: Redis
    ) -> None:
        ann = await house.user(ANN)
        assert (await call(root, "PUT", "/users/2", json={"role": "tutor"})).status_code == 200
        assert refusal(await ann.get("/api/chat/history")) == DEAD
        assert redis.exists("user_token:2", "user_tokens:2") == 0
        assert len(redis.keys("token:*")) == 1  # the admin's own
        again = await house.login(ANN)
        (note,) = (await again.get("/api/user/notifications")).json()["notifications"]
        assert (note["type"], note["title"], note["is_read"]) == ("info", "Your role was changed", False)
        assert "a tutor" in note["message"]

    async def test_a_ban_ends_and_bars(self, root: User, house: House, redis: Redis) -> None:
        ann = await house.user(ANN)
        assert (await call(root, "PUT", "/users/2", json={"status": "banned"})).status_code == 200
        assert refusal(await ann.get("/api/chat/history")) == DEAD
        login = {"email": ANN, "password": PASSWORD}
        assert refusal(await house.client.post("/api/login", json=login)) == BANNED
        assert (await shown(root, ANN))["status"] == "banned"
        assert (await call(root, "PUT", "/users/2", json={"status": "inactive"})).status_code == 200
        assert refusal(await ann.get("/api/chat/history")) == DEAD  # what was revoked stays so
        await house.login(ANN)

    @pytest.mark.parametrize("status", ["active", "inactive"])
    async def test_only_banned_blocks(self, root: User, house: House, status: str) -> None:
        ann = await house.user(ANN)
        before = (await shown(root, ANN))["last_login"]
        assert (await call(root, "PUT", "/users/2", json={"status": status})).status_code == 200
        assert (await ann.get("/api/chat/history")).status_code == 200
        found = await shown(root, ANN)
        assert (found["status"], found["last_login"]) == (status, before)
        await house.login(ANN)
        assert (await shown(root, ANN))["status"] == "active"

    async def test_no_change_by_an_admin_is_a_login(self, root: User, house: House) -> None:
        await house.user(ANN)
        before = (await shown(root, ANN))["last_login"]
        for change in ({"role": "tutor"}, {"status": "banned"}, {"status": "active"}, {"bio": "x"}):
            assert (await call(root, "PUT", "/users/2", json=change)).status_code == 200
            assert (await shown(root, ANN))["last_login"] == before, change

    async def test_a_wrong_value_is_told_before_an_unknown_user(self, chief: User) -> None:
        for body, msg in (({}, "Missing request data"), ({"role": "x"}, "Invalid role")):
            answer = await call(chief, "PUT", "/users/999", json=body)
            assert refusal(answer)[:2] == (400, msg)

    async def test_a_new_address_keeps_the_login_and_drops_the_codes(
        self, root: User, house: House, redis: Redis
    ) -> None:
        ann = await house.user(ANN)
        redis.delete(*redis.keys("code_wait:*"))
        await house.client.post("/api/send_verification", json={"email": ANN, "purpose": "reset_password"})
        await house.client.post("/api/send_verification", json={"email": "a2@school.org"})
        assert len(redis.keys("code:*")) == 2
        assert (await call(root, "PUT", "/users/2", json={"email": "A2@School.org"})).status_code == 200
        assert redis.keys("code:*") == []
        assert (await ann.get("/api/user/profile")).json()["email"] == "a2@school.org"
        await house.login("a2@school.org")
        assert (await house.register(ANN)).status_code == 201  # it is free again


class TestGuards:
    @pytest.mark.parametrize("change", [{"role": "student"}, {"status": "banned"}])
    async def test_ones_own_account(self, chief: User, change: dict[str, str]) -> None:
        own = (409, "You cannot do this to your own account", "own_account")
        assert refusal(await call(chief, "PUT", "/users/001", json=change)) == own
        assert refusal(await call(chief, "DELETE", "/users/1")) == own
        found = await shown(chief, ROOT)
        assert (found["role"], found["status"]) == ("admin", "active")

    async def test_other_things_of_ones_own(self, root: User) -> None:
        assert (await call(root, "PUT", "/users/1", json={"bio": "Head", "role": "admin"})).status_code == 200

    async def test_another_admin(self, root: User, house: House) -> None:
        ada = await staff(house, ADA)
        assert (await call(root, "PUT", "/users/2", json={"role": "student"})).status_code == 200
        assert refusal(await call(ada, "GET", "/users")) == DEAD
        again = await house.login(ADA)
        assert refusal(await call(again, "GET", "/users")) == (403, "Permission denied", "forbidden")


class TestDeleting:
    async def test_it_is_gone_at_once(self, root: User, house: House, redis: Redis) -> None:
        ann = await house.user(ANN)
        await ann.new_session()
        await call(root, "PUT", "/users/2", json={"full_name": "Ann B."})
        answer = await call(root, "DELETE", "/users/002", json={"reason": " left school "})
        assert (answer.status_code, answer.json()) == (200, {"msg": "User deleted successfully"})
        assert refusal(await ann.get("/api/chat/history")) == DEAD
        assert redis.exists("user_token:2", "user_tokens:2") == 0
        assert await house.sql("SELECT count(*) FROM session") == [(0,)]
        login = {"email": ANN, "password": PASSWORD}
        assert (await house.client.post("/api/login", json=login)).status_code == 401
        (line,) = [one for one in await logged(root, action="delete") if one["operator_email"] == ROOT]
        assert {
            name: line[name] for name in ("target_user_id", "target_user_email", "reason", "details")
        } == {
            "target_user_id": 2,
            "target_user_email": ANN,
            "reason": "left school",
            "details": {"full_name": "Ann B.", "role": "student", "email": ANN},
        }
        assert refusal(await call(root, "DELETE", "/users/2")) == (404, "User not found", "not_found")
        assert (await house.register(ANN)).status_code == 201
        assert await id_of(house, ANN) == 3

    @pytest.mark.parametrize("body", [None, b"{}", b'{"reason": null}'])
    async def test_a_reason_is_not_needed(self, root: User, house: House, body: bytes | None) -> None:
        await house.user(ANN)
        assert (await call(root, "DELETE", "/users/2", content=body)).status_code == 200
        assert [one["reason"] for one in await logged(root, action="delete", operator_email=ROOT)] == [None]

    @pytest.mark.parametrize("reason", [5, "x" * 501, "a\x00", ["x"]])
    async def test_a_senseless_reason_deletes_nobody(self, chief: User, anns_id: int, reason: object) -> None:
        answer = await call(chief, "DELETE", f"/users/{anns_id}", json={"reason": reason})
        assert refusal(answer) == (400, "Invalid value for 'reason'", "invalid_field")
        assert await shown(chief, ANN)


class TestSessionsAndResets:
    async def test_all_sessions_of_a_user_end(self, root: User, house: House, redis: Redis) -> None:
        ann = await house.user(ANN)
        answer = await call(root, "POST", "/users/2/logout")
        assert (answer.status_code, answer.json()) == (200, {"msg": "User logged out successfully"})
        assert refusal(await ann.get("/api/chat/history")) == DEAD
        assert redis.exists("user_token:2", "user_tokens:2") == 0
        assert (await shown(root, ANN))["status"] == "inactive"
        (line,) = await logged(root, action="logout")
        assert (line["operator_email"], line["target_user_email"]) == (ROOT, ANN)
        await house.login(ANN)

    async def test_a_reset_is_mailed_to_the_user_alone(self, root: User, house: House, redis: Redis) -> None:
        await house.user(ANN)
        redis.delete(*redis.keys("code_wait:*"))
        answer = await call(root, "POST", "/users/2/send_reset")
        assert (answer.status_code, answer.json()) == (200, {"msg": "Verification code sent."})
        code = await house.code_for(ANN, "reset your password")
        reset = {"email": ANN, "code": code, "new_password": "another good horse"}
        assert (await house.client.post("/api/reset_password", json=reset)).status_code == 200
        await house.login(ANN, "another good horse")
        lines = json.dumps(await logged(root))
        assert code not in lines
        assert "another good horse" not in lines

    async def test_a_second_reset_has_to_wait(self, root: User, house: House, redis: Redis) -> None:
        await house.user(ANN)
        redis.delete(*redis.keys("code_wait:*"))
        await call(root, "POST", "/users/2/send_reset")
        answer = await call(root, "POST", "/users/2/send_reset")
        assert refusal(answer) == (429, "Please wait 10 seconds before requesting again", "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 10
