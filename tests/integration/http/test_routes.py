"""The route table: every route says who may call it, and what it says holds."""

import re
from pathlib import Path

import pytest
from litestar import Litestar, get

from entrypoints.http.policy import PUBLIC, Policy, RouteWithoutPolicy, require_policies
from tests.integration.house import House
from tests.integration.http.raw import exchange
from tests.integration.http.routes import protected, routes

ADDITIONS = Path(__file__).parents[3] / "docs" / "api-additions.md"


def test_an_application_with_a_route_without_a_policy_does_not_start() -> None:
    @get("/secrets")
    async def forgotten() -> str:
        return "all of them"

    @get("/open", opt=PUBLIC)
    async def meant_so() -> str:
        return "hello"

    require_policies(Litestar([meant_so], openapi_config=None))
    with pytest.raises(RouteWithoutPolicy, match="GET /secrets"):
        require_policies(Litestar([meant_so, forgotten], openapi_config=None))


def test_only_these_routes_are_public(home: House) -> None:
    public = {route.path for route in routes(home) if route.policy is Policy.PUBLIC}
    documentation = {path for path in public if path.startswith("/api/docs")}
    assert public - documentation == {
        "/",
        "/assets/docs/{name:str}",
        "/assets/page/{name:str}",
        "/static/avatars/{name:str}",
        "/dev/mailbox",
        "/dev/mailbox.json",
        "/api/openapi.json",
        "/api/send_verification",
        "/api/register",
        "/api/reset_password",
        "/api/login",
        "/api/health",
        "/api/health/live",
        "/api/health/ready",
        "/api/ping",
    }


def test_no_route_is_there_twice(home: House) -> None:
    listed = [(route.method, route.path) for route in routes(home)]
    assert len(listed) == len(set(listed))


async def test_the_answer_comes_before_the_body(home: House) -> None:
    """The body is announced and never sent."""
    for route in protected(home):
        if route.method != "POST":
            continue
        head = f"POST {route.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
        assert (await exchange(home.url, head, within=0.5)).startswith(b"HTTP/1.1 401"), route


CONTRACT = {  # contract 2, 5 and 6, as far as it is built
    "/api/chat/upload", "/api/user_files", "/api/files/{}", "/api/download/{}", "/api/upload",
    "/api/upload/{}", "/api/upload/users", "/api/public_files",
    "/api/send_verification", "/api/register", "/api/login", "/api/token_status", "/api/logout",
    "/api/update_password", "/api/reset_password", "/api/user/delete_account", "/api/user/profile",
    "/api/user/avatar", "/api/user/notifications", "/api/user/notifications/{}/read",
    "/api/user/tutor_request", "/api/admin/users", "/api/admin/users/{}", "/api/admin/models",
    "/api/admin/knowledge", "/api/admin/user-action-logs", "/api/admin/tutor_requests",
    "/api/admin/tutor_requests/{}/approve", "/api/admin/tutor_requests/{}/reject",
}  # read as a table # fmt: skip


def test_what_the_contract_names_for_accounts_is_there_and_the_rest_is_written_down(home: House) -> None:
    paths = {re.sub(r"\{[^}]+\}", "{}", route.path) for route in routes(home)}
    assert paths >= CONTRACT
    additions = re.sub(r"\{[^}]+\}", "{}", ADDITIONS.read_text("utf-8"))
    for path in sorted(paths - CONTRACT):
        if path.startswith(("/api/admin", "/api/user/", "/api/log", "/api/files", "/api/upload")):
            assert f" {path}`" in additions, path
