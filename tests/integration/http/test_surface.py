"""Paths, methods, headers and CORS (contract 1.1, 1.5, 1.8): whatever is asked, whoever answers."""

import re
from pathlib import Path

import httpx
import pytest
from dishka import Provider, Scope

from application.ports.mail import Outbox
from tests.fakes.mail import FakeOutbox
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import fields_of, refusal
from tests.integration.http.logged import Logged
from tests.integration.http.raw import exchange

ORIGIN = {"Origin": "https://front.example"}


@pytest.mark.parametrize(
    "path", ["/api/nope", "/api//nope/", "/nope%20x/%C3%A9", "/api/chat/new/more", "/static"]
)
async def test_an_unknown_route_is_404_with_the_path_as_sent(home: House, path: str) -> None:
    answer = await home.client.get(f"{path}?q=1")

    assert refusal(answer) == (404, "Resource not found", "not_found")
    assert answer.json()["path"] == path


@pytest.mark.parametrize(
    "path", ["/api/health/live", "//api///health/live", "/api/health/live/", "/api/health//live//"]
)
async def test_slashes_are_forgiven_without_a_redirect(home: House, path: str) -> None:
    answer = await exchange(home.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/login", "OPTIONS, POST"),
        ("PUT", "/api/login", "OPTIONS, POST"),
        ("PATCH", "/api/chat/new", "OPTIONS, POST"),
        ("POST", "/api/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/chat/history", "GET, HEAD, OPTIONS"),
        ("TRACE", "/api/token_status", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("GET", "/api/upload", "DELETE, OPTIONS, POST"),
        ("POST", "/api/upload/users", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/api/upload/notes.txt", "DELETE, OPTIONS"),
        ("POST", "/api/files/1", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
async def test_an_unknown_method_is_405_and_says_which_there_are(
    home: House, method: str, path: str, allowed: str
) -> None:
    answer = await home.client.request(method, path)

    assert refusal(answer) == (405, "Method not allowed", "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/", "/api/ping", "/api/health", "/api/chat/history", "/api/nope", "/static/avatars/default.png"]
)
async def test_head_is_get_without_the_body(ann: User, path: str) -> None:
    got, head = await ann.get(path), await ann.house.client.head(path, headers=ann.headers)

    assert (head.status_code, head.content) == (got.status_code, b"")
    varies = {"date", "x-request-id", "content-length"}
    assert head.headers["content-length"]
    assert {k: v for k, v in head.headers.items() if k not in varies} == {
        k: v for k, v in got.headers.items() if k not in varies
    }


async def test_a_body_on_get_is_ignored(ann: User) -> None:
    answer = await ann.house.client.request(
        "GET",
        "/api/chat/history",
        headers={**ann.headers, "Content-Type": "application/json"},
        content=b"{not json",
    )

    assert answer.status_code == 200


def everywhere(user: User) -> list[tuple[int, httpx.Request]]:
    """One request for each way an answer can come about."""
    request, headers = user.house.client.build_request, user.headers
    return [
        (200, request("GET", "/")),
        (200, request("GET", "/api/health")),
        (200, request("GET", "/api/docs")),
        (200, request("GET", "/api/openapi.json")),
        (200, request("GET", "/assets/docs/swagger-ui.css")),
        (200, request("GET", "/assets/page/main.js")),
        (200, request("GET", "/static/avatars/default.png")),
        (200, request("GET", "/api/chat/history", headers=headers)),
        (201, request("POST", "/api/chat/new", headers=headers)),
        (200, request("POST", "/api/chat/stream", headers=headers, data={"message": "Hello"})),
        (502, request("POST", "/api/chat/stream", headers=headers, data={"message": "x [[status=500]]"})),
        (400, request("POST", "/api/login", content=b"{")),
        (401, request("GET", "/api/chat/history")),
        (404, request("GET", "/api/nope")),
        (404, request("GET", "/static/avatars/nope.png")),
        (405, request("GET", "/api/login")),
        (413, request("POST", "/api/login", content=b"x" * 300_000)),
        (415, request("POST", "/api/login", content=b"x", headers={"Content-Type": "text/plain"})),
        (415, request("POST", "/api/login", content=b"x", headers={"Content-Encoding": "gzip"})),
        (422, request("GET", "/api/chat/history", headers={"Authorization": "Bearer x"})),
    ]


async def test_every_answer_has_its_headers(ann: User) -> None:
    for status, request in everywhere(ann):
        request.headers.update(ORIGIN)
        answer = await ann.house.client.send(request)
        about = f"{request.method} {request.url.path} {answer.status_code}"

        assert answer.status_code == status, about
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"]), about
        assert answer.headers["x-content-type-options"] == "nosniff", about
        assert answer.headers["access-control-allow-origin"] == "*", about
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"], about
        assert "access-control-allow-credentials" not in answer.headers, about
        assert "set-cookie" not in answer.headers, about
        for name in (
            "x-request-id",
            "x-content-type-options",
            "access-control-allow-origin",
            "cache-control",
        ):
            assert len(answer.headers.get_list(name)) <= 1, about
        if answer.headers["content-type"] == "application/json":
            assert answer.headers["cache-control"] == "no-store", about
        if status >= 400:
            refusal(answer)


async def test_a_clients_request_id_is_kept_if_it_is_one(home: House) -> None:
    for id in ("abcd-1234", "A" * 64):
        answer = await home.client.get("/api/nope", headers={"X-Request-Id": id})
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == id


@pytest.mark.parametrize(
    "id", ["short", "a" * 65, "has space1", "<script>alert", "äöüäöüäöü".encode("latin-1")]
)
async def test_what_is_no_request_id_is_replaced(home: House, id: str | bytes) -> None:
    answer = await home.client.get(
        "/api/nope", headers=[(b"X-Request-Id", id if isinstance(id, bytes) else id.encode())]
    )

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "path", ["/api/chat/stream", "/api/nope", "/static/avatars/default.png", "/api/logout"]
)
async def test_a_preflight_needs_no_token(home: House, path: str) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-request-time,sessionid",
    }
    answer = await home.client.options(path, headers={**ORIGIN, **asks})

    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-max-age"] == "600"
    assert words(answer.headers["access-control-allow-methods"]) == {
        "get",
        "post",
        "put",
        "delete",
        "options",
    }
    assert words(answer.headers["access-control-allow-headers"]) == words(
        "authorization content-type accept x-request-time sessionid idempotency-key last-event-id "
        "x-request-id cache-control"
    )


async def test_what_scripts_may_read_is_exposed(home: House) -> None:
    answer = await home.client.get("/api/ping", headers=ORIGIN)

    assert words(answer.headers["access-control-expose-headers"]) == words(
        "X-New-Token X-Request-Id X-Session-Id X-Message-Id X-Total-Count Retry-After Content-Disposition"
    )


def words(text: str) -> set[str]:
    return set(text.lower().replace(",", " ").split())


async def test_listed_origins_are_echoed_and_others_get_nothing(
    tmp_path: Path, redis: object, valkey_url: str
) -> None:
    async with a_house(
        tmp_path, REDIS_URL=valkey_url, CORS_ORIGINS="https://a.example,https://b.example"
    ) as house:
        mine = await house.client.get("/api/chat/history", headers={"Origin": "https://b.example"})
        assert mine.headers["access-control-allow-origin"] == "https://b.example"
        assert mine.headers["vary"] == "Origin"
        for origin in ("https://b.example.evil.example", "https://B.example", "http://b.example", "null"):
            foreign = await house.client.get("/api/chat/history", headers={"Origin": origin})
            assert "access-control-allow-origin" not in foreign.headers
            assert foreign.headers["vary"] == "Origin"
            preflight = await house.client.options("/api/login", headers={"Origin": origin})
            assert "access-control-allow-methods" not in preflight.headers
        without = await house.client.get("/api/ping")
        assert without.headers["vary"] == "Origin"


async def test_the_front_page_leads_to_the_documentation(home: House) -> None:
    page = await home.client.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/docs" in page.text


async def test_the_default_picture_is_served_and_may_be_cached(home: House) -> None:
    answer = await home.client.get("/static/avatars/default.png")

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert "max-age" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "%2e%2e/app.db",
        "..%2f..%2fapp.db",
        "..%5capp.db",
        ".hidden.png",
        "default.png%00",
        "default.png/",
        "x/default.png",
    ],
)
async def test_pictures_come_from_their_folder_only(home: House, name: str) -> None:
    answer = await exchange(
        home.url, f"GET /static/avatars/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )

    assert answer.split()[1] in (b"404", b"400") or name == "default.png/"


@pytest.mark.parametrize(
    "path", ["/.env", "/.git/config", "/app.db", "/api/../app.db", "/assets/../bodies.py", "/console"]
)
async def test_nothing_of_the_deployment_is_served(home: House, path: str) -> None:
    answer = await exchange(home.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.split()[1] == b"404"


async def test_host_and_forwarded_host_are_not_reflected(home: House) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    for path in ("/", "/api/nope", "/api/docs", "/api/openapi.json", "/api/health"):
        answer = await home.client.get(path, headers=evil)
        assert "evil" not in answer.text + str(answer.headers)
        assert "location" not in answer.headers


async def test_errors_name_no_internals(home: House) -> None:
    for path in ("/api/nope", "/api/login", "/api/chat/history"):
        answer = await home.client.get(path)
        assert set(fields_of(answer)) <= {"msg", "code", "request_id", "path"}


async def test_a_bug_is_told_as_one_and_not_how(
    tmp_path: Path, redis: object, valkey_url: str, logs: Logged
) -> None:
    outbox = FakeOutbox()
    outbox.refuse_with = RuntimeError("SELECT secret FROM /srv/app.db at redis://inner:6379")
    broken = Provider(scope=Scope.APP)
    broken.provide(lambda: outbox, provides=Outbox, override=True)
    async with a_house(tmp_path, broken, REDIS_URL=valkey_url) as house:
        fields = {"email": "ann@example.org"}
        answer = await house.client.post("/api/send_verification", json=fields, headers=ORIGIN)
        assert refusal(answer) == (500, "Internal Server Error", "internal")
        assert set(answer.json()) == {"msg", "code", "request_id"}
        assert answer.headers["access-control-allow-origin"] == "*"
        told = [line for line in logs.of("a bug") if line["request_id"] == answer.json()["request_id"]]
        assert len(told) == 1
        assert (await house.client.get("/api/health/live")).status_code == 200
