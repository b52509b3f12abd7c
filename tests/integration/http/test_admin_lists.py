"""What administrators look at (contract 6): models, knowledge, the action log, tutor requests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.answers import ISO, refusal
from tests.integration.http.staff import ADA, ROOT, call, id_of, logged, shown, staff
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.rag_service import Chunk, RagServiceServer

ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
async def root(house: House) -> User:
    return await staff(house)


def a_model(
    number: int, name: str, *, up: bool = False, selected: bool = False, **more: Any
) -> dict[str, Any]:
    return {
        "id": f"M{number:03}",
        "name": name,
        "type": "LLM",
        "status": "Active" if up else "Inactive",
        "version": name.partition(":")[2],
        "owner": "",
        "created_at": None,
        "selected": selected,
        **more,
    }


class TestModels:
    async def test_of_the_llm_service_are_the_configured_ones(
        self, root: User, llm: LlmServiceServer
    ) -> None:
        first, second = "mistral-nemo:12b-instruct-2407-fp16", "llama3.1:8b-instruct-q4_K_M"
        answer = await call(root, "GET", "/models")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "models": [a_model(1, first, up=True, selected=True), a_model(2, second)],
                "total": 2,
                "page": 1,
                "limit": 20,
            },
        )
        page = (await call(root, "GET", "/models", params={"page": "2", "limit": "1"})).json()
        assert (page["models"], page["total"]) == ([a_model(2, second)], 2)
        llm.faults["/health"] = Fault(status=500)
        try:
            down = await call(root, "GET", "/models")
        finally:
            del llm.faults["/health"]
        assert down.json()["models"] == [a_model(1, first, selected=True), a_model(2, second)]

    async def test_of_a_compatible_server_are_its_own(
        self, tmp_path: Path, redis: object, valkey: Valkey
    ) -> None:
        async with OpenAiChatServer() as server:
            server.models = ["llama3.1:8b", "qwen3:4b"]
            url = f"openai+{server.url}/v1"
            settings = {"LLM_URL": url, "LLM_MODEL": "qwen3:4b", "LLM_MODELS": "qwen3:4b,other"}
            async with a_house(tmp_path, REDIS_URL=valkey.url, **settings) as house:
                root = await staff(house)
                assert (await call(root, "GET", "/models")).json()["models"] == [
                    a_model(1, "llama3.1:8b", owner="tests"),
                    a_model(2, "qwen3:4b", owner="tests", up=True, selected=True),
                ]
                server.faults["*"] = Fault(reset=True)
                down = await call(root, "GET", "/models")
                assert (down.status_code, down.json()["models"]) == (
                    200,
                    [a_model(1, "qwen3:4b", selected=True), a_model(2, "other")],
                )

    async def test_without_any_there_are_none(self, tmp_path: Path, redis: object, valkey: Valkey) -> None:
        async with a_house(tmp_path, REDIS_URL=valkey.url) as house:
            body = (await call(await staff(house), "GET", "/models")).json()
            assert (body["models"], body["total"]) == ([], 0)


@pytest.fixture
async def rag_house(
    tmp_path: Path, redis: object, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[tuple[House, RagServiceServer]]:
    async with (
        RagServiceServer() as rag,
        a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, RAG_URL=rag.url) as house,
    ):
        yield house, rag


async def public_document(house: House, number: int, name: str, status: str, deleted: str = "NULL") -> None:
    await house.sql(
        "INSERT INTO stored_file (id, user_id, public, original_name, stored_name, disk_name, kind, mime,"
        " size, sha256, index_name, rag_status, created_at, deleted_at) VALUES"
        f" ({number}, 1, 1, '{name}', 's{number}', 'd{number}', 'document', 'x', 1, '', '{name}',"
        f" '{status}', '2025-11-18 10:30:45.000000', {deleted})"
    )


class TestKnowledge:
    async def test_its_shape(self, root: User, house: House) -> None:
        await public_document(house, 1, "syllabus.pdf", "indexed")
        await public_document(house, 2, "plan.docx", "pending")
        await public_document(house, 3, "broken.md", "failed")
        await public_document(house, 4, "gone.txt", "indexed", "'2025-11-19 10:30:45.000000'")
        body = (await call(root, "GET", "/knowledge")).json()
        moment = "2025-11-18T10:30:45.000000Z"
        assert body == {
            "knowledge": [
                {
                    "id": "K003",
                    "name": "broken.md",
                    "type": "MD",
                    "status": "Failed",
                    "tag_color": "red",
                    "selected": False,
                    "created_at": moment,
                },
                {
                    "id": "K002",
                    "name": "plan.docx",
                    "type": "DOCX",
                    "status": "Processing",
                    "tag_color": "blue",
                    "selected": False,
                    "created_at": moment,
                },
                {
                    "id": "K001",
                    "name": "syllabus.pdf",
                    "type": "PDF",
                    "status": "Active",
                    "tag_color": "green",
                    "selected": True,
                    "created_at": moment,
                },
            ],
            "total": 3,
            "page": 1,
            "limit": 20,
        }
        page = (await call(root, "GET", "/knowledge", params={"page": "2", "limit": "2"})).json()
        assert ([one["id"] for one in page["knowledge"]], page["total"]) == (["K001"], 3)

    async def test_what_only_the_rag_service_knows_is_there_too(
        self, rag_house: tuple[House, RagServiceServer]
    ) -> None:
        house, rag = rag_house
        root = await staff(house)
        await public_document(house, 1, "ours.pdf", "indexed")
        await public_document(house, 2, "gone.pdf", "indexed", "'2025-11-19 10:30:45.000000'")
        rag.bases[""] = [Chunk("x", name, 1) for name in ("ours.pdf", "gone.pdf", "theirs.pdf")]
        rag.bases["7"] = [Chunk("x", "private.pdf", 1)]

        body = (await call(root, "GET", "/knowledge")).json()

        assert [(one["name"], one["status"], one["created_at"]) for one in body["knowledge"]] == [
            ("ours.pdf", "Active", "2025-11-18T10:30:45.000000Z"),
            ("theirs.pdf", "Active", None),
        ]
        assert body["total"] == 2
        rag.faults["*"] = Fault(reset=True)
        down = await call(root, "GET", "/knowledge")
        assert (down.status_code, [one["name"] for one in down.json()["knowledge"]]) == (200, ["ours.pdf"])

    async def test_of_an_empty_house_is_empty(self, root: User) -> None:
        body = (await call(root, "GET", "/knowledge")).json()
        assert body == {"knowledge": [], "total": 0, "page": 1, "limit": 20}


class TestActionLog:
    async def test_its_shape(self, root: User) -> None:
        await call(root, "PUT", "/users/1", json={"bio": "Head"})
        body = (await call(root, "GET", "/user-action-logs")).json()
        assert {k: v for k, v in body.items() if k != "logs"} == {"total": 3, "page": 1, "per_page": 20}
        assert [line["action"] for line in body["logs"]] == ["update", "login", "create"]
        line = body["logs"][0]
        assert ISO.fullmatch(line.pop("timestamp"))
        assert line == {
            "id": 3,
            "operator_email": ROOT,
            "action": "update",
            "target_user_id": 1,
            "target_user_email": ROOT,
            "reason": None,
            "details": {"bio": ["", "Head"]},
        }
        assert body["logs"][2]["operator_email"] == "system"  # the command line

    async def test_filters_and_pages(self, root: User, house: House) -> None:
        await house.user(ANN)
        for query, count in (
            ({"operator_email": ANN}, 2),
            ({"operator_email": " ANN@example.org"}, 2),
            ({"operator_email": "ann"}, 0),
            ({"target_user_email": ROOT, "action": "login"}, 1),
            ({"action": "log"}, 0),
            ({"params[action]": "create"}, 2),
            ({"action": ""}, 4),
        ):
            assert len(await logged(root, **query)) == count, query
        body = (await call(root, "GET", "/user-action-logs", params={"per_page": "3", "page": "2"})).json()
        assert (body["total"], body["page"], body["per_page"], len(body["logs"])) == (4, 2, 3, 1)

    async def test_no_password_is_ever_in_it(self, root: User, house: House) -> None:
        new = {"email": ANN, "password": "a very good one", "username": "a", "role": "student"}
        await call(root, "POST", "/users", json=new)
        await call(root, "PUT", "/users/2", json={"bio": "x", "password": "another good one"})
        ((told,),) = await house.sql("SELECT group_concat(details) FROM user_action_log")
        for secret in ("a very good one", "another good one", PASSWORD, "argon2"):
            assert secret not in told


class TestTutorRequests:
    async def asked(self, house: House, email: str = ANN) -> User:
        registered = await house.register(email, role="tutor")
        assert registered.json()["tutor_request"] == "pending"
        return await house.login(email)

    async def test_its_shape(self, root: User, house: House) -> None:
        await self.asked(house)
        body = (await call(root, "GET", "/tutor_requests")).json()
        (line,) = body.pop("requests")
        assert body == {"total": 1, "page": 1, "limit": 20}
        assert ISO.fullmatch(line.pop("created_at"))
        assert line == {
            "id": 1,
            "user_id": "U002",
            "email": ANN,
            "username": "ann",
            "reason": "",
            "status": "pending",
            "decided_at": None,
            "decided_by": None,
        }

    async def test_which_are_shown(self, root: User, house: House) -> None:
        for n, email in enumerate((ANN, BOB, "cem@example.org"), 1):
            await self.asked(house, email)
            assert n == (await call(root, "GET", "/tutor_requests", params={"status": "all"})).json()["total"]
        await call(root, "POST", "/tutor_requests/1/approve")
        await call(root, "POST", "/tutor_requests/2/reject")

        async def ids(**query: str) -> list[int]:
            answer = await call(root, "GET", "/tutor_requests", params=query)
            return [one["id"] for one in answer.json()["requests"]]

        assert await ids() == await ids(status="") == await ids(status="pending") == [3]
        assert (await ids(status="approved"), await ids(status="rejected")) == ([1], [2])
        assert await ids(status="all") == [3, 2, 1]
        assert await ids(status="all", page="2", limit="2") == [1]
        answer = await call(root, "GET", "/tutor_requests", params={"status": "Pending"})
        assert refusal(answer) == (400, "Invalid status", "invalid_field")

    async def test_approval(self, root: User, house: House, redis: Redis) -> None:
        ann = await self.asked(house)
        answer = await call(root, "POST", "/tutor_requests/001/approve", json={"reason": "Welcome!"})
        assert (answer.status_code, answer.json()) == (200, {"msg": "Tutor request approved"})
        assert (await ann.get("/api/chat/history")).status_code == 401
        assert redis.exists("user_token:2", "user_tokens:2") == 0
        again = await house.login(ANN)
        assert (await again.get("/api/user/profile")).json()["role"] == "tutor"
        (note,) = (await again.get("/api/user/notifications")).json()["notifications"]
        assert (note["type"], note["title"]) == ("success", "Tutor request approved")
        assert "Welcome!" in note["message"]
        body = (await call(root, "GET", "/tutor_requests", params={"status": "approved"})).json()
        (line,) = body["requests"]
        assert (line["decided_by"], bool(ISO.fullmatch(line["decided_at"]))) == (ROOT, True)
        (line,) = await logged(root, action="update")
        assert (line["target_user_email"], line["reason"], line["details"]) == (
            ANN,
            "Welcome!",
            {"role": ["student", "tutor"], "tutor_request": ["pending", "approved"]},
        )

    async def test_rejection(self, root: User, house: House) -> None:
        ann = await self.asked(house)
        answer = await call(root, "POST", "/tutor_requests/1/reject")
        assert (answer.status_code, answer.json()) == (200, {"msg": "Tutor request rejected"})
        assert (await ann.get("/api/user/profile")).json()["role"] == "student"
        (note,) = (await ann.get("/api/user/notifications")).json()["notifications"]
        assert (note["type"], note["title"]) == ("warning", "Tutor request rejected")

    async def test_decided_once(self, root: User, house: House) -> None:
        await self.asked(house)
        decided = (409, "Tutor request already decided", "already_decided")
        await call(root, "POST", "/tutor_requests/1/approve")
        for verdict in ("approve", "reject"):
            assert refusal(await call(root, "POST", f"/tutor_requests/1/{verdict}")) == decided
        assert (await shown(root, ANN))["role"] == "tutor"

    async def test_a_role_that_changes_answers_it(self, root: User, house: House) -> None:
        await self.asked(house)
        id = await id_of(house, ANN)
        assert (await call(root, "PUT", f"/users/{id}", json={"role": "tutor"})).status_code == 200
        answer = await call(root, "POST", "/tutor_requests/1/reject")
        assert answer.status_code == 409
        again = await house.login(ANN)
        notes = (await again.get("/api/user/notifications")).json()["notifications"]
        assert {note["type"] for note in notes} == {"info", "success"}

    @pytest.mark.parametrize("number", ["999", "0", "x", "-1", "9" * 30])
    async def test_unknown_ones(self, root: User, number: str) -> None:
        for verdict in ("approve", "reject"):
            answer = await call(root, "POST", f"/tutor_requests/{number}/{verdict}")
            assert refusal(answer) == (404, "Tutor request not found", "not_found")

    async def test_a_senseless_reason_decides_nothing(self, root: User, house: House) -> None:
        await self.asked(house)
        answer = await call(root, "POST", "/tutor_requests/1/approve", json={"reason": "x" * 501})
        assert refusal(answer) == (400, "Invalid value for 'reason'", "invalid_field")
        assert (await call(root, "GET", "/tutor_requests")).json()["total"] == 1


async def test_no_success_here_has_a_token_on_top(root: User, house: House) -> None:
    await house.register(ANN, role="tutor")
    new = {"email": ADA, "password": PASSWORD, "username": "ada", "role": "admin"}
    answers = [
        await call(root, "GET", "/users"),
        await call(root, "POST", "/users", json=new),
        await call(root, "PUT", "/users/3", json={"bio": "x"}),
        await call(root, "GET", "/models"),
        await call(root, "GET", "/knowledge"),
        await call(root, "GET", "/user-action-logs"),
        await call(root, "GET", "/tutor_requests"),
        await call(root, "POST", "/tutor_requests/1/approve"),
        await call(root, "POST", "/users/3/logout"),
        await call(root, "POST", "/users/3/send_reset"),
        await call(root, "DELETE", "/users/3"),
    ]
    for answer in answers:
        assert answer.status_code in (200, 201), answer.text
        assert "token" not in answer.json()
