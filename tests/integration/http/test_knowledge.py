"""Documents that are searched whatever one talks about (contract 5.2): one's own, and the public base; with
our own index, and with a RAG service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import Valkey
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.staff import TIM, call, staff
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy
from tests.servers.rag_service import Chunk, RagServiceServer

MB = 1024 * 1024
NOT_FOUND = (404, "File not found", "not_found")
TEXT = b"The mitochondrion makes the energy of the cell."
ADDED = {"msg": "File uploaded successfully", "rag_status": "indexed"}


@pytest.fixture(scope="module")
async def tim(home: House) -> User:
    return await staff(home, TIM, "tutor")


async def add(user: User, name: str = "cells.txt", content: bytes = TEXT, **fields: str) -> httpx.Response:
    return await user.post("/api/upload", data=fields, files={"file": (name, content)})


async def added(user: User, name: str = "cells.txt", content: bytes = TEXT) -> dict[str, Any]:
    answer = await add(user, name, content)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def delete(user: User, name: str, **query: str) -> httpx.Response:
    """As a program writes a path: with everything encoded."""
    path = f"/api/upload/{quote(name, safe='')}"
    return await user.house.client.request("DELETE", path, headers=user.headers, params=query)


async def own(user: User) -> list[str]:
    return [file["filename"] for file in (await user.get("/api/user_files")).json()["files"]]


async def public(tutor: User) -> list[str]:
    answer = await tutor.get("/api/public_files")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"files"}
    names: list[str] = answer.json()["files"]
    return names


# with our own index


async def test_a_students_document_is_his_own(house: House) -> None:
    ann, bob = await house.user("ann@example.org"), await house.user("bob@example.org")
    told = await added(ann)
    assert told == {
        **ADDED,
        "file_id": told["file_id"],
        "filename": "cells.txt",
        "admin": False,
        "user_id": "1",
        "ingest_file": "cells.txt",
        "chunk_embs_num": 1,
    }
    (file,) = (await ann.get("/api/user_files")).json()["files"]
    assert (file["id"], file["session_id"], file["content"]) == (None, None, None)
    assert (file["file_id"], file["size"], file["rag_status"]) == (told["file_id"], len(TEXT), "indexed")
    assert (await ann.get("/api/chat/history")).json() == []
    assert await own(bob) == []
    assert (await ann.get(f"/api/files/{told['file_id']}")).content == TEXT
    assert (await ann.ask("What makes the energy, according to the document?")).sources
    assert not (await bob.ask("What makes the energy, according to the document?")).sources


async def test_a_tutors_document_is_everybodys(house: House) -> None:
    tim, ann = await staff(house, TIM, "tutor"), await house.user("ann@example.org")
    told = await added(tim)
    assert told["admin"] is True
    assert (await public(tim), await own(tim), await own(ann)) == (["cells.txt"], [], [])
    assert (await ann.ask("What makes the energy, according to the document?")).sources
    assert refusal(await ann.get(f"/api/files/{told['file_id']}")) == NOT_FOUND
    ada = await staff(house, "ada@school.org", "tutor")
    assert (await ada.get(f"/api/files/{told['file_id']}")).content == TEXT
    assert (await delete(ada, "cells.txt")).json()["deleted_chunks"] == 1
    assert await public(tim) == []
    assert not (await ann.ask("What makes the energy, according to the document?")).sources


async def test_public_documents_of_one_name_are_kept_apart(tim: User) -> None:
    ada = await staff(tim.house, "ada@school.org", "tutor")
    answers = await asyncio.gather(*(added(tutor, "same.txt") for tutor in (tim, ada, tim, ada)))
    assert {told["ingest_file"] for told in answers} == {"same.txt", *(f"same-{n}.txt" for n in (2, 3, 4))}
    assert (await public(tim)).count("same.txt") == 4
    for left in (3, 2, 1, 0):
        assert (await delete(ada, "same.txt")).status_code == 200
        assert (await public(tim)).count("same.txt") == left


@pytest.mark.parametrize(
    "options",
    [{}, {"data": {"file": ""}}, {"files": {"file": ("", TEXT)}}, {"files": {"other": ("a.txt", TEXT)}}],
)
async def test_there_must_be_a_file(ann: User, options: dict[str, Any]) -> None:
    assert refusal(await ann.post("/api/upload", **options)) == (400, "No file provided", "missing_field")


async def test_a_file_comes_in_a_form(ann: User) -> None:
    answer = await ann.post("/api/upload", json={"file": "x"})
    assert refusal(answer) == (415, "Content-Type must be a form type", "unsupported_media_type")
    cut = {**ann.headers, "Content-Type": "multipart/form-data; boundary=B"}
    answer = await ann.house.client.post("/api/upload", content=b"--B\r\n", headers=cut)
    assert refusal(answer) == (400, "Malformed form data", "bad_request")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("...", TEXT, (400, "Invalid filename", "bad_request")),
        (
            "cell.png",
            b"\x89PNG\r\n\x1a\n",
            (
                400,
                "File type '.png' not allowed. Allowed types: documents (docx, md, pdf, txt)",
                "file_type",
            ),
        ),
        ("a.txt", b"", (400, "File is empty", "bad_file")),
        ("a.pdf", TEXT, (400, "File content does not match its type", "bad_file")),
        ("a.txt", b" \n", (400, "Document cannot be read", "bad_file")),
        (
            "a.txt",
            b"x" * (20 * MB + 1),
            (413, "File too large. Maximum size for document files is 20 MB", "too_large"),
        ),
        ("a.txt", b"x" * (22 * MB), (413, "Request body too large", "too_large")),
    ],
    ids=["name", "kind", "empty", "mismatch", "blank", "large", "very large"],
)
async def test_refusals(bob: User, name: str, content: bytes, expected: tuple[int, str, str]) -> None:
    assert refusal(await add(bob, name, content)) == expected
    assert await own(bob) == []


async def test_other_fields_do_not_count(bob: User) -> None:
    answer = await add(bob, user_id="1", public="true", session_id="x")
    assert answer.json()["user_id"] != "1"
    assert answer.json()["admin"] is False
    assert (await delete(bob, "cells.txt")).status_code == 200


@pytest.mark.parametrize(
    ("path", "msg"),
    [
        ("/api/upload/users", "Permission denied: Only tutors can access user list."),
        ("/api/public_files", "Permission denied: Only tutors can access public files."),
    ],
)
async def test_lists_are_for_tutors(ann: User, tim: User, path: str, msg: str) -> None:
    assert refusal(await ann.get(path)) == (403, msg, "forbidden")
    assert (await tim.get(path)).status_code == 200


async def test_users_with_documents_are_listed(house: House) -> None:
    tim, ann = await staff(house, TIM, "tutor"), await house.user("ann@example.org")
    await added(tim)
    assert (await tim.get("/api/upload/users")).json() == {"users": []}
    await added(ann)
    number = (await ann.get("/api/user/profile")).json()["id"]
    assert (await tim.get("/api/upload/users")).json() == {"users": [str(number)]}


# deleting by name


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        "文档 (1).txt",
        "100%.txt",
        "%2e%2e%2fx.txt",
        "a+b&c=d.txt",
        "what?.txt",
        "C# notes.txt",
        "q\"u'o`te.txt",
        "😀.txt",
        "users.txt",
    ],
)
async def test_any_name_of_ours_will_do(bob: User, name: str) -> None:
    await added(bob, name)
    assert (await delete(bob, name)).json() == {
        "msg": "File deleted",
        "deleted_page_embs": 0,
        "deleted_chunks": 1,
    }
    assert await own(bob) == []


async def test_names_are_tried_in_their_order(bob: User) -> None:
    first, second = await added(bob, "my [1].md"), await added(bob, "my [1].md")
    assert (first["ingest_file"], second["ingest_file"]) == ("my _1_.md.txt", "my _1_.md-2.txt")

    async def left() -> set[int]:
        return {file["file_id"] for file in (await bob.get("/api/user_files")).json()["files"]}

    await delete(bob, "my [1].md")
    assert await left() == {first["file_id"]}
    await delete(bob, "my _1_.md.txt")
    assert await left() == set()
    third = await added(bob, "my [1].md")
    (row,) = await bob.house.sql(f"SELECT stored_name FROM stored_file WHERE id = {third['file_id']}")
    await delete(bob, row[0])
    assert await left() == set()


async def test_a_name_is_decoded_once_and_never_a_path(bob: User, ann: User) -> None:
    await added(bob, "%2e.txt")
    await added(ann, "anns.txt")
    client = bob.house.client
    (stored,) = await bob.house.sql("SELECT disk_name FROM stored_file ORDER BY id DESC LIMIT 1")
    for path in (
        "",
        "users",
        "%252e.txt%252e",
        "..%2F..%2Fapp.db",
        f"..%2Fuploads%2F{stored[0][:2]}%2F{stored[0]}",
        stored[0],
        "anns.txt",
        "uploads%2F1%2Fanns.txt",
        "%00",
        "a%00.txt",
        "%ff%fe.txt",
        "%ed%a0%80.txt",
        "%",
        "%E2%80%AE",
        "x" * 3000,
        "'%20OR%201=1--",
    ):
        answer = await client.request("DELETE", f"/api/upload/{path}", headers=bob.headers)
        assert refusal(answer) == NOT_FOUND, path
    assert (await delete(bob, "%2e.txt")).status_code == 200
    assert (await delete(ann, "anns.txt")).status_code == 200


async def test_tutors_say_which_they_mean(tim: User, bob: User) -> None:
    await added(tim, "plan.txt")
    answer = await tim.post("/api/chat/upload", files={"file": ("plan.txt", TEXT)})
    assert answer.status_code == 200
    assert (await delete(tim, "plan.txt", scope="personal")).status_code == 200
    assert (await public(tim)).count("plan.txt") == 1
    for asked in ({"scope": "personal"}, {"params[scope]": "personal", "timeout": "30000"}):
        assert refusal(await delete(tim, "plan.txt", **asked)) == NOT_FOUND
    assert refusal(await delete(tim, "plan.txt", scope="mine"))[:2] == (400, "Invalid value for 'scope'")
    assert refusal(await delete(bob, "plan.txt", scope="")) == NOT_FOUND
    assert refusal(await delete(bob, "plan.txt", scope="public"))[:2] == (403, "Permission denied")
    assert (await delete(tim, "plan.txt", scope="public")).status_code == 200


async def test_the_knowledge_list_of_admins_follows(house: House) -> None:
    tim, root = await staff(house, TIM, "tutor"), await staff(house)
    await added(tim, "plan.pdf.txt")
    (item,) = (await call(root, "GET", "/knowledge")).json()["knowledge"]
    assert (item["name"], item["status"], item["selected"]) == ("plan.pdf.txt", "Active", True)
    await delete(root, "plan.pdf.txt")
    assert (await call(root, "GET", "/knowledge")).json()["total"] == 0


# with a RAG service


@dataclass(frozen=True, slots=True)
class School:
    """A house with a RAG service beside it."""

    rag: RagServiceServer
    line: TcpProxy
    ann: User
    tim: User

    @asynccontextmanager
    async def wrong(self, path: str = "*") -> AsyncIterator[None]:
        self.rag.faults[path] = Fault(status=500, body=b"{}")
        yield
        self.rag.faults.clear()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        await self.line.refuse()
        yield
        await self.line.accept()

    def names(self, owner: str = "") -> list[str]:
        return sorted({chunk.source for chunk in self.rag.bases.get(owner, [])})


@pytest.fixture(scope="module")
async def school(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[School]:
    async with RagServiceServer() as rag, TcpProxy(("127.0.0.1", rag.port)) as line:
        environ = {"LLM_URL": llm.url, "RAG_URL": f"http://127.0.0.1:{line.port}"}
        folder, redis_url = tmp_path_factory.mktemp("school"), f"{valkey.url}?db=3"
        async with a_house(folder, REDIS_URL=redis_url, **environ) as house:
            yield School(rag, line, await house.user("ann@example.org"), await staff(house, TIM, "tutor"))


async def test_the_service_says_what_it_made_of_it(school: School) -> None:
    told = await added(school.ann, "my 'cells' [1].md", TEXT)
    assert told == {
        **ADDED,
        "file_id": told["file_id"],
        "filename": "my 'cells' [1].md",
        "admin": False,
        "user_id": "1",
        "ingest_file": "my _cells_ _1_.md.txt",
        "page_count": 1,
        "page_embs_num": 1,
        "chunk_embs_num": 1,
        "page_collection": "kb_user_1_page",
        "chunk_collection": "kb_user_1_chunk",
    }
    assert school.names("1") == ["my _cells_ _1_.md.txt"]
    assert (await added(school.tim, "house.txt"))["admin"] is True
    assert school.names() == ["house.txt"]
    assert (await school.tim.get("/api/upload/users")).json() == {"users": ["1"]}
    gone = {"msg": "File deleted", "deleted_page_embs": 1, "deleted_chunks": 1}
    assert (await delete(school.ann, "my 'cells' [1].md")).json() == gone
    assert (await delete(school.tim, "house.txt")).json() == gone
    assert school.rag.bases == {}


@pytest.mark.parametrize(
    ("trouble", "status", "code"), [("away", 503, "upstream_unavailable"), ("wrong", 502, "upstream_error")]
)
async def test_what_it_refuses_is_not_kept(school: School, trouble: str, status: int, code: str) -> None:
    async with getattr(school, trouble)():
        answer = await add(school.ann, "refused.txt")
    assert refusal(answer) == (status, "Upload forward failed", code)
    assert await own(school.ann) == []
    assert [path for path in Path(school.ann.house.settings.upload_dir).rglob("*") if path.is_file()] == []


async def test_its_refusal_to_forget_is_made_up_for(school: School) -> None:
    told = await added(school.ann, "late.txt")
    async with school.wrong("/user/delete"):
        answer = await delete(school.ann, "late.txt")
    assert answer.json() == {
        "msg": "File deleted",
        "deleted_page_embs": 0,
        "deleted_chunks": 0,
        "index_cleanup": "pending",
    }
    assert await own(school.ann) == []
    assert refusal(await school.ann.get(f"/api/files/{told['file_id']}")) == NOT_FOUND
    jobs = await school.ann.house.sql(
        "SELECT payload FROM job WHERE kind = 'erase_file' AND state = 'waiting'"
    )
    assert f'{{"file_id":{told["file_id"]}}}' in [payload for (payload,) in jobs]


async def test_names_that_only_it_knows(school: School) -> None:
    ann, tim = school.ann, school.tim
    school.rag.bases["1"] = [Chunk("x", "文 old/notes.pdf", 1), Chunk("y", "文 old/notes.pdf", 2)]
    school.rag.bases[""] = [Chunk("x", "strange.pdf", 1)]
    assert await public(tim) == ["strange.pdf"]
    assert refusal(await delete(ann, "strange.pdf")) == NOT_FOUND
    gone = await delete(ann, "文 old/notes.pdf")
    assert gone.json() == {"msg": "File deleted", "deleted_page_embs": 2, "deleted_chunks": 2}
    school.rag.bases["1"] = [Chunk("x", "users", 1)]  # a list has this path
    assert (await delete(ann, "users")).json()["deleted_chunks"] == 1
    assert (await delete(tim, "strange.pdf")).json()["deleted_chunks"] == 1
    assert refusal(await delete(tim, "strange.pdf")) == NOT_FOUND
    school.rag.received.clear()
    for name in ('a" or "b', "a'", "a\\b", "a\nb"):
        assert refusal(await delete(ann, name)) == NOT_FOUND
    assert school.rag.received == []


@pytest.mark.parametrize(("trouble", "status"), [("away", 503), ("wrong", 502)])
async def test_without_it(school: School, trouble: str, status: int) -> None:
    async with getattr(school, trouble)():
        users, names = await school.tim.get("/api/upload/users"), await school.tim.get("/api/public_files")
        assert refusal(users)[:2] == (status, "Failed to fetch users")
        assert refusal(names)[:2] == (status, "Failed to fetch public files")
        assert refusal(await delete(school.ann, "unknown.pdf"))[:2] == (503, "Delete forward failed")
        assert refusal(await delete(school.ann, 'no "name".pdf')) == NOT_FOUND
