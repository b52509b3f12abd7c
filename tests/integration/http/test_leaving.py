"""DELETE /api/user/delete_account (contract 2.3)."""

import asyncio
import json
from collections import Counter

import httpx
import pytest
from redis import Redis

from application.accounts.limits import CODE_CHECKS
from entrypoints.admin import create_admin
from tests.integration.house import PASSWORD, House, User
from tests.integration.http.answers import fields_of, refusal
from tests.integration.leaving import leave, no_pause, receipt, with_body

ANN, ADA, BOB = "ann@example.org", "ada@example.org", "bob@example.org"
WRONG = (400, "Invalid or expired verification code", "invalid_code")
PATH = "/api/user/delete_account"


async def code_of(house: House, email: str = ANN, purpose: str = "delete_account") -> str:
    await no_pause(house)
    sent = await house.client.post("/api/send_verification", json={"email": email, "purpose": purpose})
    assert sent.status_code == 200, sent.text
    return await house.code_for(email, about="delete your account" if purpose == "delete_account" else "")


async def delete(user: User, fields: dict[str, object] | None) -> httpx.Response:
    return await with_body("DELETE", user.house, PATH, user, fields)


class TestLeaving:
    async def test_says_so_and_ends_everything_at_once(self, house: House, redis: Redis) -> None:
        ann = await house.user(ANN)
        await ann.post("/api/user/profile", json={"full_name": "Ann Lee"})
        await ann.ask("What is osmosis?")

        answer = await leave(ann, ANN)

        assert answer.status_code == 200
        assert fields_of(answer) == {"msg": "Account deleted successfully"}
        assert "x-new-token" not in answer.headers
        assert refusal(await ann.get("/api/user/profile"))[:2] == (401, "Token is invalid or expired.")
        login = await house.client.post("/api/login", json={"email": ANN, "password": PASSWORD})
        assert refusal(login) == (401, "Invalid credentials", "invalid_credentials")
        await receipt(house, 1)
        assert redis.keys("token:*") == redis.keys("user_token*") == redis.keys("code:*") == []
        for table in ("user", "user_profile", "session", "message", "notification"):
            assert await house.sql(f'SELECT id FROM "{table}"') == []

    async def test_is_logged_with_who_it_was(self, house: House) -> None:
        ann = await house.user(ANN)
        await ann.post("/api/user/profile", json={"full_name": "Ann Lee"})
        assert (await leave(ann, ANN)).status_code == 200
        await receipt(house, 1)
        lines = await house.sql(
            "SELECT operator_email, role, action, target_user_id, target_user_email, details, reason"
            " FROM user_action_log WHERE action IN ('delete', 'erase') ORDER BY id"
        )
        (deleted, erased) = [(*line[:5], json.loads(line[5]), line[6]) for line in lines]
        was = {"full_name": "Ann Lee", "role": "student", "status": "active"}
        assert deleted == (ANN, "student", "delete", 1, ANN, was, None)
        assert erased[:5] == ("system", "system", "erase", 1, ANN)
        assert all(set(store) == {"erased", "at"} for store in erased[5].values())

    async def test_takes_an_integer_that_lost_its_zeros(self, house: House) -> None:
        ann = await house.user(ANN)
        code = int(await code_of(house))
        assert (await delete(ann, {"code": code})).status_code == 200

    async def test_of_many_at_once_happens_once(self, house: House) -> None:
        ann = await house.user(ANN)
        code = await code_of(house)
        answers = await asyncio.gather(*(delete(ann, {"code": code}) for _ in range(8)))
        assert Counter(answer.status_code for answer in answers)[200] == 1
        refused = {400, 401, 503}  # the last: too busy just then
        assert {answer.status_code for answer in answers} <= {200, *refused}
        await receipt(house, 1)
        assert len(await house.sql("SELECT id FROM user_action_log WHERE action = 'delete'")) == 1


class TestRefused:
    @pytest.mark.parametrize("fields", [None, {}, {"code": ""}, {"code": None}])
    async def test_without_a_code(self, home: House, ann: User, fields: dict[str, object] | None) -> None:
        answer = await delete(ann, fields)
        assert refusal(answer) == (400, "Verification code is required", "missing_field")

    @pytest.mark.parametrize("code", ["000000", "abc", 1234567, "1" * 500])
    async def test_with_a_wrong_one(self, house: House, code: object) -> None:
        ann = await house.user(ANN)
        no_code = (400, "Invalid value for 'code'", "invalid_field")
        expected = WRONG if isinstance(code, str) else no_code
        assert refusal(await delete(ann, {"code": code})) == expected
        assert (await ann.get("/api/user/profile")).status_code == 200

    @pytest.mark.parametrize("purpose", ["reset_password", "update_password"])
    async def test_with_one_for_something_else(self, house: House, purpose: str) -> None:
        ann = await house.user(ANN)
        assert refusal(await delete(ann, {"code": await code_of(house, ANN, purpose)})) == WRONG

    async def test_with_somebody_elses(self, house: House) -> None:
        await house.user(ANN)
        bob = await house.user(BOB)
        assert refusal(await delete(bob, {"code": await code_of(house, ANN)})) == WRONG

    async def test_too_often(self, house: House) -> None:
        ann = await house.user(ANN)
        answers = [await delete(ann, {"code": "000000"}) for _ in range(CODE_CHECKS.times)]
        assert {answer.status_code for answer in answers} == {400, 429} or answers[0].status_code == 400
        answer = await delete(ann, {"code": "000000"})
        assert refusal(answer) == (429, "Too many requests. Please try again later.", "rate_limited")
        assert int(answer.headers["retry-after"]) > 0

    async def test_to_the_last_admin_who_keeps_his_code(self, house: House) -> None:
        await create_admin(house.settings, ADA, PASSWORD, "admin")
        ada = await house.login(ADA)
        code = await code_of(house, ADA)
        last = (409, "At least one admin must remain", "last_admin")
        assert refusal(await delete(ada, {"code": code})) == last
        await create_admin(house.settings, BOB, PASSWORD, "admin")
        assert (await delete(ada, {"code": code})).status_code == 200
        bob = await house.login(BOB)
        assert refusal(await delete(bob, {"code": await code_of(house, BOB)})) == last

    async def test_parallel_leaving_never_removes_the_last_admin(self, house: House) -> None:
        emails = [ADA, BOB, "cid@example.org"]
        for email in emails:
            await create_admin(house.settings, email, PASSWORD, "admin")
        admins = [await house.login(email) for email in emails]
        codes = [await code_of(house, email) for email in emails]
        answers = await asyncio.gather(
            *(delete(admin, {"code": code}) for admin, code in zip(admins, codes, strict=True))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 2, 409: 1}
