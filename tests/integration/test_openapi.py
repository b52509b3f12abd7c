"""The OpenAPI document and its page: valid, complete, stable, and usable without the internet."""

import re
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from entrypoints.http.policy import Policy
from tests.integration.house import House
from tests.integration.http.routes import routes

OPERATIONS = {
    "actionLog",
    "addKnowledge",
    "approveTutorRequest",
    "createUser",
    "deleteFile",
    "deleteUpload",
    "deleteUser",
    "download",
    "editUser",
    "fetchFile",
    "knowledge",
    "knowledgeUsers",
    "logOutUser",
    "models",
    "rejectTutorRequest",
    "sendReset",
    "tutorRequests",
    "users",
    "chatHistory",
    "chatStream",
    "chatUpload",
    "health",
    "healthDetailed",
    "healthLive",
    "healthReady",
    "login",
    "logout",
    "logoutAll",
    "messageList",
    "newSession",
    "ping",
    "publicFiles",
    "register",
    "resetPassword",
    "sendVerification",
    "tokenStatus",
    "updatePassword",
    "userFiles",
}
Operation = dict[str, Any]


@pytest.fixture
async def document(house: House) -> dict[str, Any]:
    answer = await house.client.get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], Operation]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(document))):
        found: Any = document
        for key in reference.split("/"):
            found = found[key]


async def test_every_api_route_is_in_it(house: House, document: dict[str, Any]) -> None:
    ours = {
        (r.method, r.documented)
        for r in routes(house)
        if r.path.startswith("/api/") and not r.path.startswith(("/api/docs", "/api/openapi"))
    }
    names_of_uploads = {("DELETE", "/api/upload"), ("DELETE", "/api/upload/users")}  # of `/upload/{name}`
    assert set(operations(document)) == ours - names_of_uploads


async def test_names_of_operations_are_stable(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))
    assert set(names) >= OPERATIONS
    assert all(re.fullmatch(r"[a-z][a-zA-Z]+", name) for name in names)


async def test_who_may_call_is_said(house: House, document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for route in routes(house):
        operation = operations(document).get((route.method, route.documented))
        if operation is None:
            continue
        security = operation.get("security") or document.get("security") or []
        if route.policy is Policy.PUBLIC:
            assert security == []
        elif route.policy is Policy.OPTIONAL:
            assert security == [{}, {"token": []}]
        else:
            assert security == [{"token": []}]
            assert {"401", "422", "503"} <= set(operation["responses"])


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for key, operation in operations(document).items():
        assert operation["description"], key
        assert set(operation["tags"]) <= tags, key
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (key, parameter["name"])
        for status, response in operation["responses"].items():
            assert response["description"], (key, status)
            assert "X-Request-Id" in response["headers"], (key, status)
            assert ("content" in response) == (status not in ("204", "304")), (key, status)
            if status[0] in "45":
                schema = resolved(document, response["content"]["application/json"]["schema"])
                assert {"msg", "code", "request_id"} <= set(schema["required"]), (key, status)
            if status in ("429", "503"):
                assert "Retry-After" in response["headers"], (key, status)


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


async def test_bodies_are_described_in_every_type_that_is_taken(document: dict[str, Any]) -> None:
    found = operations(document)
    stream = found["POST", "/api/chat/stream"]["requestBody"]
    assert list(stream["content"]) == [
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "application/json",
    ]
    upload = found["POST", "/api/chat/upload"]["requestBody"]["content"]
    assert upload["multipart/form-data"]["schema"]["properties"]["file"]["format"] == "binary"
    login = found["POST", "/api/login"]["requestBody"]
    assert login["required"] is True
    assert login["content"]["application/json"]["schema"]["required"] == ["email", "password"]
    assert (
        "required"
        not in found["POST", "/api/chat/new"]["requestBody"]["content"]["application/json"]["schema"]
    )


async def test_queries_and_headers_are_described(document: dict[str, Any]) -> None:
    found = operations(document)
    assert [p["name"] for p in found["GET", "/api/chat/history"]["parameters"]] == ["page", "limit"]
    messages = {p["name"]: p for p in found["GET", "/api/message/list"]["parameters"]}
    assert set(messages) == {"session_id", "limit", "before_id"}
    assert messages["session_id"]["required"] is True
    assert messages["limit"]["schema"]["maximum"] == 2000
    assert "X-Total-Count" in found["GET", "/api/chat/history"]["responses"]["200"]["headers"]
    stream = found["POST", "/api/chat/stream"]["responses"]["200"]
    assert {"X-Session-Id", "X-Message-Id"} <= set(stream["headers"])
    assert list(stream["content"]) == ["text/event-stream"]


async def test_the_events_of_a_stream_are_as_described(house: House, document: dict[str, Any]) -> None:
    stream = operations(document)["POST", "/api/chat/stream"]["responses"]["200"]["content"][
        "text/event-stream"
    ]
    described = jsonschema_rs.validator_for(stream["schema"]["properties"]["data"]["contentSchema"])
    ann = await house.user()
    for question in ("x", "x [[end=error]]"):
        for event in (await ann.ask(question)).events:
            described.validate(event)
    assert not described.is_valid({"status": "other"})


async def test_moments_are_moments(document: dict[str, Any]) -> None:
    session = document["components"]["schemas"]["SessionItem"]["properties"]
    assert session["created_at"] == session["updated_at"]
    assert session["created_at"]["format"] == "date-time"


async def test_only_two_answers_have_a_token(document: dict[str, Any]) -> None:
    with_token = {
        key
        for key, operation in operations(document).items()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for content in response.get("content", {}).values()
        if "token" in resolved(document, content["schema"]).get("properties", {})
    }
    assert with_token <= {("POST", "/api/login"), ("GET", "/api/token_status")}


async def test_the_page_works_without_the_internet(house: House) -> None:
    page = await house.client.get("/api/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"""(?:src|href|url)\s*[=:(]\s*["']?(?:https?:)?//""", page.text)
    files = set(re.findall(r"/assets/docs/[\w.-]+", page.text))
    assert len(files) >= 3
    for file in files:
        answer = await house.client.get(file)
        assert answer.status_code == 200, file
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/png")


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", "..", "%2e%2e%2fpage%2findex.html", "nope.js", ".js"]
)
async def test_only_assets_are_served_as_assets(house: House, name: str) -> None:
    assert (await house.client.get(f"/assets/docs/{name}")).status_code == 404
