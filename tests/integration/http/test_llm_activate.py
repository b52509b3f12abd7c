"""Contract 8, row by row, with real model servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dishka import Provider, Scope, provide
from redis import Redis

from adapters.http.llm_service import LlmService
from application.ports.language_model import LanguageModel
from entrypoints.settings import Settings
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import House, User, a_house, running
from tests.integration.http.logged import logged
from tests.integration.http.staff import TIM, call, id_of, staff
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer

PATH, ACTIVATE = "/activate_model", "/api/llm/activate"
LLAMA = "llama3.1:8b-instruct-q4_K_M"
MISSING = "Missing 'model' in JSON payload"


@pytest.fixture
async def service() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        server.installed = [LLAMA, "small:1b"]
        yield server


@pytest.fixture
async def school(
    tmp_path: Path, redis: Redis, valkey: Valkey, service: LlmServiceServer
) -> AsyncIterator[House]:
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=service.url) as house:
        yield house


@pytest.fixture
async def root(school: House) -> User:
    return await staff(school)


async def test_the_model_is_loaded(root: User, service: LlmServiceServer) -> None:
    answer = await root.post(ACTIVATE, json={"model": LLAMA})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "message": f"Model {LLAMA} activated",
        "model": LLAMA,
    }
    (request,) = [each for each in service.received if each.path == PATH]
    assert request.json() == {"model": LLAMA}


async def test_a_server_that_says_nothing_about_it(root: User, service: LlmServiceServer) -> None:
    service.faults[PATH] = Fault(status=200, body=b"{}")
    assert (await root.post(ACTIVATE, json={"model": "a"})).json()["message"] == "Model activated"


async def test_it_is_listed_as_the_active_one_at_every_worker(root: User, school: House) -> None:
    await root.post(ACTIVATE, json={"model": LLAMA})
    async with running(school.settings) as other:
        for house in (school, other):
            asker = User(house, root.token)
            models = (await call(asker, "GET", "/models")).json()["models"]
            assert {one["name"]: (one["status"], one["selected"]) for one in models} == {
                "mistral-nemo:12b-instruct-2407-fp16": ("Inactive", False),
                LLAMA: ("Active", True),
            }


@pytest.mark.parametrize(
    ("body", "msg", "code"),
    [
        ({}, MISSING, "missing_field"),
        ({"model": ""}, MISSING, "missing_field"),
        ({"model": None}, MISSING, "missing_field"),
        ({"model": 7}, MISSING, "invalid_field"),
        ({"model": "a\u0000"}, MISSING, "invalid_field"),
    ],
)
async def test_a_model_must_be_named(
    root: User, service: LlmServiceServer, body: dict[str, object], msg: str, code: str
) -> None:
    answer = await root.post(ACTIVATE, json=body)
    assert (answer.status_code, answer.json()["msg"], answer.json()["code"]) == (400, msg, code)
    assert [each for each in service.received if each.path == PATH] == []


@pytest.mark.parametrize(
    ("fault", "status", "msg", "code", "detail"),
    [
        (
            Fault(status=400, body=b'{"error":"no such model: a"}'),
            400,
            "Model activation failed",
            "upstream_rejected",
            "no such model: a",
        ),
        (
            Fault(status=404, body=b"<html>", content_type="text/html"),
            502,
            "Model activation is not supported by the LLM service",
            "upstream_error",
            None,
        ),
        (
            Fault(status=405),
            502,
            "Model activation is not supported by the LLM service",
            "upstream_error",
            None,
        ),
        (
            Fault(status=200, body=b"<html>"),
            502,
            "Invalid JSON response from model service",
            "upstream_error",
            None,
        ),
        (Fault(reset=True), 502, "Invalid JSON response from model service", "upstream_error", None),
        (Fault(hang=True), 504, "Model activation timeout", "upstream_timeout", None),
    ],
    ids=["unknown", "404", "405", "no json", "reset", "hang"],
)
async def test_what_the_server_does_not_do(
    tmp_path: Path,
    redis: Redis,
    valkey: Valkey,
    service: LlmServiceServer,
    fault: Fault,
    status: int,
    msg: str,
    code: str,
    detail: str | None,
) -> None:
    async with a_house(tmp_path, Impatient(), REDIS_URL=valkey.url, LLM_URL=service.url) as house:
        root = await staff(house)
        service.faults[PATH] = fault
        answer = await root.post(ACTIVATE, json={"model": "a"})
        body = answer.json()
        assert (answer.status_code, body["msg"], body["code"]) == (status, msg, code)
        assert body.get("detail") == detail
        models = (await call(root, "GET", "/models")).json()["models"]
        assert "a" not in [one["name"] for one in models]


class Impatient(Provider):
    """A model that is given up soon."""

    scope = Scope.APP

    @provide(override=True)
    def model(self, http: httpx.AsyncClient, settings: Settings) -> LanguageModel:
        return LlmService(http, settings.llm_url, activation_s=0.3)


async def test_a_server_that_is_not_there(tmp_path: Path, redis: Redis, valkey: Valkey) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=nowhere) as house:
        answer = await (await staff(house)).post(ACTIVATE, json={"model": "a"})
        assert (answer.status_code, answer.json()["msg"], answer.json()["code"]) == (
            503,
            "Failed to connect to model service",
            "upstream_unavailable",
        )


async def test_what_the_server_says_is_cut_to_300_characters(root: User, service: LlmServiceServer) -> None:
    service.faults[PATH] = Fault(status=400, body=b'{"error":"' + b"x" * 5000 + b'"}')
    answer = await root.post(ACTIVATE, json={"model": "a"})
    assert len(answer.json()["detail"]) == 300


async def test_an_openai_compatible_server_cannot(tmp_path: Path, redis: Redis, valkey: Valkey) -> None:
    async with OpenAiChatServer() as server:
        url = f"openai+{server.url}/v1"
        async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=url, LLM_MODEL="small-tutor") as house:
            answer = await (await staff(house)).post(ACTIVATE, json={"model": "a"})
            assert (answer.status_code, answer.json()["code"]) == (502, "upstream_error")


async def test_only_who_administers_may(school: House, service: LlmServiceServer) -> None:
    for user in (await school.user(), await staff(school, TIM, "tutor")):
        answer = await user.post(ACTIVATE, json={"model": "a"})
        assert (answer.status_code, answer.json()["msg"]) == (403, "Permission denied")
    assert [each for each in service.received if each.path == PATH] == []


async def test_operator_and_model_are_logged(root: User, school: House) -> None:
    with logged() as log:
        await root.post(ACTIVATE, json={"model": "small:1b"})
    (line,) = log.of("model activated")
    assert (line["operator"], line["model"]) == (await id_of(school, "root@school.org"), "small:1b")
