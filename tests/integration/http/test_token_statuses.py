"""Who may call (contract 1.7): every row of the table, and default deny over all routes."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from redis import Redis

from entrypoints.http.policy import Policy
from tests.integration.house import House, User
from tests.integration.http.answers import refusal
from tests.integration.http.conftest import forged
from tests.integration.http.routes import protected
from tests.servers.llm_service import LlmServiceServer

EXPECTED = "Expected 'Authorization: Bearer <JWT>'"
MISSING = (401, "Missing Authorization Header", "missing_token")
WRONG_SCHEME = (401, f"Missing 'Bearer' type in 'Authorization' header. {EXPECTED}", "missing_token")
BAD_HEADER = (422, f"Bad Authorization header. {EXPECTED}", "malformed_token")
TOO_FEW = (422, "Not enough segments", "malformed_token")
FORGED = (422, "Signature verification failed", "malformed_token")
WRONG_TYPE = (422, "Only access tokens are allowed", "malformed_token")
EXPIRED = (401, "Token has expired", "token_expired")
DEAD = (401, "Token is invalid or expired.", "token_revoked")
BANNED = (401, "This account has been suspended.", "account_banned")


async def tried(
    home: House, authorization: str | bytes | None, path: str = "/api/chat/history"
) -> tuple[int, str, str]:
    header = authorization.encode() if isinstance(authorization, str) else authorization
    headers = [] if header is None else [(b"Authorization", header)]
    return refusal(await home.client.get(path, headers=headers))


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, MISSING),
        ("", MISSING),
        ("Basic YTpi", WRONG_SCHEME),
        ("Token abc", WRONG_SCHEME),
        ("abc.def.ghi", WRONG_SCHEME),
        ("Bearer", BAD_HEADER),
        ("Bearer a.b.c d", BAD_HEADER),
        ("Bearer null", TOO_FEW),
        ("Bearer undefined", TOO_FEW),
        ("Bearer a.b", TOO_FEW),
        ("Bearer a.b.c.d", TOO_FEW),
        ("Bearer a.b.c", FORGED),
        ("Bearer ..", FORGED),
        ("Bearer \u00e4.\u00f6.\u00fc", FORGED),
        ("Bearer " + "a" * 3000 + ".b.c", FORGED),
        ("Bearer ' OR 1=1--", BAD_HEADER),
    ],
)
async def test_the_form_of_the_header(
    home: House, authorization: str | None, expected: tuple[int, str, str]
) -> None:
    assert await tried(home, authorization and authorization.encode("latin-1")) == expected


def unsigned(ann: User, algorithm: str) -> str:
    head = (
        base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=").decode()
    )
    return f"{head}.{ann.token.split('.')[1]}."


async def test_no_algorithm_is_no_signature(home: House, ann: User) -> None:
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS256"):
        assert await tried(home, f"Bearer {unsigned(ann, algorithm)}") == FORGED


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_other_algorithms_are_refused_even_with_our_key(home: House, ann: User, algorithm: str) -> None:
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    token = jwt.encode(claims, home.settings.jwt_secret_key, algorithm=algorithm)

    assert await tried(home, f"Bearer {token}") == FORGED


@pytest.mark.parametrize(
    "headers",
    [
        {"crit": ["b64"], "b64": False},
        {"crit": ["exp"]},
        {"crit": "x"},
        {"kid": "../../dev/null"},
        {"jku": "http://evil.example/keys"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"x5u": "http://evil.example/x"},
    ],
)
async def test_a_header_never_chooses_the_key(home: House, ann: User, headers: dict[str, Any]) -> None:
    wrong = forged(ann, key="k" * 40, headers=headers)
    assert await tried(home, f"Bearer {wrong}") == FORGED


@pytest.mark.parametrize("crit", [["b64"], ["exp"], "x", []])
async def test_a_critical_extension_is_not_understood(home: House, ann: User, crit: object) -> None:
    assert await tried(home, f"Bearer {forged(ann, headers={'crit': crit})}") == FORGED


async def test_a_changed_claim_breaks_the_signature(home: House, ann: User) -> None:
    head, payload, signature = ann.token.split(".")
    for other in (payload[:-4] + "AAAA", forged(ann, sub="1", role="admin").split(".")[1]):
        assert await tried(home, f"Bearer {head}.{other}.{signature}") == FORGED


@pytest.mark.parametrize("type", ["refresh", "Access", "", 1, True, ["access"], None])
async def test_only_access_tokens(home: House, ann: User, type: object) -> None:
    assert await tried(home, f"Bearer {forged(ann, type=type)}") == WRONG_TYPE


@pytest.mark.parametrize("late", [0, 1, 3600, 10**9])
async def test_an_expired_token(home: House, ann: User, late: int) -> None:
    assert await tried(home, f"Bearer {forged(ann, exp=int(time.time()) - late)}") == EXPIRED


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": [1]},
        {"exp": 10**20},
        {"exp": -(10**20)},
        {"iat": None},
        {"iat": "x"},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": ["x"]},
        {"jti": "not-a-uuid"},
        {"jti": "*"},
        {"sub": None},
        {"sub": ""},
        {"sub": "ann"},
        {"sub": 1.5},
        {"sub": {"id": 1}},
        {"auth_time": None},
        {"nbf": 10**10},
        {"nbf": "x"},
    ],
)
async def test_missing_and_senseless_claims(home: House, ann: User, claims: dict[str, Any]) -> None:
    assert await tried(home, f"Bearer {forged(ann, **claims)}") in (FORGED, DEAD)


@pytest.mark.parametrize("sub", ["0", "-1", "999999", str(2**63 - 1), str(2**63), str(10**30)])
async def test_an_account_that_does_not_exist(home: House, ann: User, sub: str) -> None:
    assert await tried(home, f"Bearer {forged(ann, sub=sub)}") in (FORGED, DEAD)


async def test_a_token_that_was_never_issued(home: House, ann: User) -> None:
    assert await tried(home, f"Bearer {forged(ann, jti=str(uuid4()))}") == DEAD


async def test_role_and_email_in_the_token_are_neither_needed_nor_believed(home: House, ann: User) -> None:
    token = forged(ann, role=None, email=None)
    answer = await home.client.get("/api/chat/history", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200

    token = forged(ann, role="admin", email="root@example.org")
    details = await home.client.get("/api/health/detailed", headers={"Authorization": f"Bearer {token}"})
    assert "checks" not in details.json()


async def test_tokens_are_read_from_the_header_only(home: House, ann: User) -> None:
    for path in (f"/api/chat/history?token={ann.token}", f"/api/chat/history?access_token={ann.token}"):
        answer = await home.client.get(
            path, headers={"Cookie": f"access_token={ann.token}; token={ann.token}"}
        )
        assert refusal(answer) == MISSING


async def test_a_logged_out_token_opens_nothing(house: House) -> None:
    ann = await house.user()
    assert (await ann.post("/api/logout")).status_code == 200

    for route in protected(house):
        if route.policy not in (Policy.SIGNED, Policy.OPTIONAL):
            answer = await house.client.request(route.method, route.path, headers=ann.headers)
            assert refusal(answer) == DEAD, route


async def test_another_login_replaces_the_first(house: House) -> None:
    first = await house.user()
    second = await house.login("ann@example.org")

    assert refusal(await first.get("/api/chat/history")) == DEAD
    assert (await second.get("/api/chat/history")).status_code == 200


async def test_an_account_that_is_gone_or_banned(house: House) -> None:
    ann, bob = await house.user("ann@example.org"), await house.user("bob@example.org")
    await house.sql("UPDATE user SET status = 'banned' WHERE email = 'ann@example.org'")
    await house.sql("DELETE FROM user WHERE email = 'bob@example.org'")

    for route in protected(house):
        if route.policy is not Policy.SIGNED:
            for user, expected in ((ann, BANNED), (bob, DEAD)):
                answer = await house.client.request(route.method, route.path, headers=user.headers)
                assert refusal(answer) == expected, route


async def test_a_flushed_redis_logs_out_and_loses_nothing(house: House, redis: Redis) -> None:
    ann = await house.user()
    await ann.new_session("kept")
    redis.flushdb()

    assert refusal(await ann.get("/api/chat/history")) == DEAD
    again = await house.login("ann@example.org")
    assert [s["title"] for s in (await again.get("/api/chat/history")).json()] == ["kept"]


async def test_without_a_token_nothing_is_read_and_nobody_is_asked(
    house: House, llm: LlmServiceServer
) -> None:
    before = len(llm.received)
    for route in protected(house):
        if route.policy is Policy.OPTIONAL:
            continue
        for content in (None, b"{broken", b"x" * 200_000):
            headers = {"Content-Type": "text/nonsense"} if content else {}
            answer = await house.client.request(route.method, route.path, content=content, headers=headers)
            assert refusal(answer) == MISSING, route
            assert answer.headers["www-authenticate"] == "Bearer"
    assert [r.path for r in llm.received[before:] if r.path != "/health"] == []


async def test_of_several_flaws_the_first_of_the_table_is_told(house: House) -> None:
    ann = await house.user("ann@example.org")
    await house.sql("UPDATE user SET status = 'banned'")
    late = int(time.time()) - 60
    unknown = str(uuid4())
    for token, expected in (
        (forged(ann, key="k" * 40, type="refresh", exp=late, jti=unknown), FORGED),
        (forged(ann, type="refresh", exp=late, jti=unknown), WRONG_TYPE),
        (forged(ann, exp=late, jti=unknown), EXPIRED),
        (forged(ann, jti=unknown), DEAD),
        (ann.token, BANNED),
    ):
        for path in ("/api/user/profile", "/api/admin/users", "/api/token_status"):
            assert await tried(house, f"Bearer {token}", path) == expected, path


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, MISSING),
        ("Basic YTpi", WRONG_SCHEME),
        ("Bearer", BAD_HEADER),
        ("Bearer null", TOO_FEW),
        ("Bearer a.b.c", FORGED),
    ],
)
async def test_logging_out_refuses_what_is_no_token(
    home: House, authorization: str | None, expected: tuple[int, str, str]
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    assert refusal(await home.client.post("/api/logout", headers=headers)) == expected


async def test_logging_out_needs_a_token_that_is_ours_and_unexpired_and_no_more(house: House) -> None:
    ann = await house.user("ann@example.org")
    for token, expected in (
        (forged(ann, exp=int(time.time()) - 1), EXPIRED),
        (forged(ann, type="refresh"), WRONG_TYPE),
        (forged(ann, key="k" * 40), FORGED),
    ):
        answer = await house.client.post("/api/logout", headers={"Authorization": f"Bearer {token}"})
        assert refusal(answer) == expected
    assert (await ann.get("/api/chat/history")).status_code == 200
    for change in ("UPDATE user SET status = 'banned'", "DELETE FROM user"):
        await house.sql(change)
        answer = await ann.post("/api/logout")
        assert (answer.status_code, answer.json()) == (200, {"msg": "Logged out successfully."})


async def test_every_401_names_the_scheme(house: House) -> None:
    """TK-8."""
    ann = await house.user("ann@example.org")
    tokens = [None, "Basic x", f"Bearer {forged(ann, exp=1)}", f"Bearer {forged(ann, jti=str(uuid4()))}"]
    for authorization in tokens:
        headers = {"Authorization": authorization} if authorization else {}
        answer = await house.client.get("/api/user/profile", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    login = {"email": "ann@example.org", "password": "wrong password"}
    answer = await house.client.post("/api/login", json=login)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_second_authorization_header_does_not_count(home: House, ann: User) -> None:
    """TK-7: what is checked is what is used, and nothing else is looked for."""
    good = f"Bearer {ann.token}".encode()
    for first, expected in ((b"Bearer null", TOO_FEW), (b"Basic x", WRONG_SCHEME)):
        headers = [(b"Authorization", first), (b"Authorization", good)]
        assert refusal(await home.client.get("/api/user/profile", headers=headers)) == expected
    for headers in (
        [(b"X-Authorization", good)],
        [(b"Proxy-Authorization", good)],
        [(b"Cookie", b"token=" + ann.token.encode())],
    ):
        assert refusal(await home.client.get("/api/user/profile", headers=headers)) == MISSING
    body = {"token": ann.token, "access_token": ann.token, "bio": "not kept"}
    assert refusal(await home.client.post("/api/user/profile", json=body)) == MISSING
