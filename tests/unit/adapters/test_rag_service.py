"""What only the wire shows: what the RAG service is asked, and what its oddities come to."""

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import httpx
import pytest
from fpdf import FPDF

from adapters.http.rag_service import RagService
from adapters.http.rag_service_documents import RagServiceDocuments
from application.ports.knowledge import Erased, IndexReport, KnowledgeFailed, KnowledgeTimeout
from domain.document import BadFile, FileKind, Hit, StoredFile
from domain.user import UserId
from tests.fakes.blobs import FakeBlobs
from tests.servers.http import Fault
from tests.servers.rag_service import RagServiceServer
from tests.transports import TRANSPORTS, client_over

ANN = UserId(7)
LEAVES = b"Leaves are green."
HIT = {"text": "Leaves are green.", "source": "a.pdf", "page_num": 3, "final_score": 0.9, "first_score": 1}


class World:
    def __init__(self, client: httpx.AsyncClient, server: RagServiceServer) -> None:
        self.server = server
        self.blobs = FakeBlobs()
        self.rag = RagService(client, server.url + "/", self.blobs, budget_s=0.2, upload_s=0.3)
        self.documents = RagServiceDocuments(client, server.url, within_s=0.3)

    def file(self, name: str | None, content: bytes = LEAVES, *, public: bool = False) -> StoredFile:
        self.blobs.kept["disk"] = content
        return StoredFile(
            user_id=ANN,
            public=public,
            original_name="the given name.pdf",
            stored_name="x",
            disk_name="disk",
            kind=FileKind.DOCUMENT,
            mime="text/plain",
            size=len(content),
            sha256="",
            index_name=name,
            created_at=datetime(2026, 3, 1, tzinfo=UTC),
        )

    def answers(self, path: str, body: object, status: int = 200) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.server.faults[path] = Fault(status=status, body=text)

    async def finds(self) -> list[Hit]:
        return list(await self.rag.find("Why?", ANN))


@pytest.fixture(params=TRANSPORTS)
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    async with RagServiceServer() as server, client_over(request.param) as client:
        yield World(client, server)


async def test_an_upload_is_one_file_and_the_user_and_follows_a_delete(world: World) -> None:
    await world.rag.index(world.file("a-2.txt"))

    delete, upload = world.server.received
    assert (delete.path, upload.path) == ("/user/delete", "/user/upload")
    assert delete.form()[0] == {"source_name": "a-2.txt", "user_id": "7"}
    fields, files = upload.form()
    assert fields == {"user_id": "7"}
    assert list(files) == ["file"]
    sent = files["file"]
    assert (sent.name, sent.content_type, sent.content) == ("a-2.txt", "application/octet-stream", LEAVES)
    assert "transfer-encoding" not in upload.headers


async def test_a_public_upload_names_no_user(world: World) -> None:
    await world.rag.index(world.file("a.txt", public=True))

    delete, upload = world.server.received
    assert (delete.path, upload.path) == ("/admin/delete", "/admin/upload")
    assert delete.form()[0] == {"source_name": "a.txt"}
    assert upload.form()[0] == {}


async def test_bytes_that_look_like_a_form_stay_bytes(world: World) -> None:
    content = b'--x\r\nContent-Disposition: form-data; name="user_id"\r\n\r\n8\r\n--x--\r\n\x00\xff' * 5000
    world.answers("/user/upload", {"chunk_embs_num": 1})

    await world.rag.index(world.file("a.pdf", content))

    fields, files = world.server.received[-1].form()
    assert (fields, files["file"].content) == ({"user_id": "7"}, content)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        'a".pdf',
        "a'.pdf",
        "a\\.pdf",
        "a\r\nX: y.pdf",
        "a\n.pdf",
        "a\x00.pdf",
        "a\u2028.pdf",
        "a\u202e.pdf",
        "a\ud83c.pdf",
        "a%22.pdf",
        "../a.pdf",
        "a/b.pdf",
        "..",
        ".pdf",
        "x" * 300,
    ],
)
async def test_a_name_that_means_something_to_the_service_never_reaches_it(
    world: World, name: str | None
) -> None:
    for call in (world.rag.index, world.rag.forget):
        with pytest.raises(BadFile):
            await call(world.file(name))

    assert not world.server.received


@pytest.mark.parametrize(
    ("status", "body", "msg"),
    [
        (500, {"error": True, "message": "at 10.0.0.7"}, "RAG indexing failed: 500"),
        (400, {"error": True, "message": "no"}, "RAG indexing failed: 400"),
        (302, {}, "RAG indexing failed: 302"),
        (200, {"chunk_embs_num": 0}, "RAG service error: bad response"),
        (200, {"chunk_embs_num": None}, "RAG service error: bad response"),
        (200, {"chunk_embs_num": True}, "RAG service error: bad response"),
        (200, {"chunk_embs_num": "3"}, "RAG service error: bad response"),
        (200, {"error": True}, "RAG service error: bad response"),
        (200, [], "RAG service error: bad response"),
        (200, b"<html>", "RAG service error: bad response"),
        (200, b"", "RAG service error: bad response"),
        (200, b"{" + b" " * 2_000_000 + b"}", "RAG service error: bad response"),
    ],
    ids=str,
)
async def test_an_upload_counts_only_when_chunks_came_of_it(
    world: World, status: int, body: object, msg: str
) -> None:
    world.answers("/user/upload", body, status)

    with pytest.raises(KnowledgeFailed) as caught:
        await world.rag.index(world.file("a.pdf"))

    assert caught.value.msg == msg
    assert len(world.server.asked("/user/upload")) == 1


@pytest.mark.parametrize("off", [-1, 1])
async def test_a_file_that_is_not_what_its_row_says_is_bad(world: World, off: int) -> None:
    file = world.file("a.txt")
    file.size += off

    with pytest.raises(BadFile):
        await world.rag.index(file)

    assert not world.server.bases


async def test_a_late_upload_is_a_timeout(world: World) -> None:
    world.server.faults["/user/upload"] = Fault(hang=True)

    with pytest.raises(KnowledgeTimeout):
        await world.rag.index(world.file("a.pdf"))

    await world.server.until(lambda: len(world.server.abandoned) == 1, within=0.2)


async def test_a_question_is_asked_as_the_service_wants_it(world: World) -> None:
    await world.finds()

    asked = {"question": "Why?", "user_id": "7", "personal_k": 3, "public_k": 2, "final_k": 5}
    assert world.server.received[0].json() == asked


async def test_500_means_that_there_is_nothing(world: World) -> None:
    world.answers("/retriever", {"error": True}, 500)

    assert await world.finds() == []


@pytest.mark.parametrize("status", [400, 404, 302, 502, 503])
async def test_any_other_status_has_failed(world: World, status: int) -> None:
    world.answers("/retriever", {"hits": []}, status)

    with pytest.raises(KnowledgeFailed) as caught:
        await world.finds()

    assert caught.value.msg == "RAG service error: bad response"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"hits":null}',
        b'{"hits":{}}',
        b'{"hits":[3]}',
        b'{"hits":[{}]}',
        b'{"hits":[{"text":"a"}]}',
        b'{"hits":[{"text":3,"source":"a"}]}',
        b'{"hits":[{"text":" ","source":"a"}]}',
        b'{"hits":[{"text":"a","source":["a"]}]}',
        b'{"hits":' + b"[" * 5000,
        b'{"hits":[{"text":"' + b"x" * 2_000_000 + b'","source":"a"}]}',
    ],
    ids=lambda body: body[:30],
)
async def test_an_answer_without_a_sensible_hit_has_failed(world: World, body: bytes) -> None:
    world.answers("/retriever", body)

    with pytest.raises(KnowledgeFailed):
        await world.finds()


async def test_hits_that_make_no_sense_are_dropped(world: World) -> None:
    world.answers("/retriever", {"hits": [None, {"text": ""}, HIT, {**HIT, "source": "x" * 999}]})

    assert await world.finds() == [Hit(filename="a.pdf", page=3, text="Leaves are green.", score=0.9)]


@pytest.mark.parametrize(
    ("given", "page"), [(3, 3), (0, None), (-1, None), (None, None), ("3", None), (True, None), (1.5, None)]
)
async def test_a_page_is_a_number_from_1_or_none(world: World, given: object, page: int | None) -> None:
    world.answers("/retriever", {"hits": [{**HIT, "page_num": given}]})

    assert (await world.finds())[0].page == page


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ("0.5", 0.5),
        ("-3", -3.0),
        ("null", None),
        ('"1"', None),
        ("NaN", None),
        ("1e999", None),
        ("9" * 400, None),
    ],
)
async def test_a_score_is_a_finite_number_or_none(world: World, given: str, score: float | None) -> None:
    world.answers("/retriever", b'{"hits":[{"text":"a","source":"b","final_score":%s}]}' % given.encode())

    assert (await world.finds())[0].score == score


async def test_hits_come_best_first_and_no_longer_than_a_prompt_takes(world: World) -> None:
    hits = [{**HIT, "final_score": None}, {**HIT, "final_score": 0.2}, {**HIT, "text": "x" * 100_000}]
    world.answers("/retriever", {"hits": hits * 3})

    found = await world.finds()

    assert [hit.score for hit in found] == [0.9, 0.9, 0.9, 0.2, 0.2]
    assert len(found[0].text) == 8000


async def test_late_hits_are_a_timeout(world: World) -> None:
    world.server.faults["/retriever"] = Fault(delay=5)

    with pytest.raises(KnowledgeTimeout):
        await world.finds()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"deleted_page_embs":null,"deleted_chunks":1}'])
async def test_a_delete_counts_only_when_it_is_confirmed(world: World, body: bytes) -> None:
    world.answers("/user/delete", body)

    with pytest.raises(KnowledgeFailed):
        await world.rag.forget(world.file("a.pdf"))


async def test_what_was_deleted_is_told(world: World) -> None:
    world.answers("/user/delete", {"deleted_page_embs": 2, "deleted_chunks": 9})

    assert await world.rag.forget(world.file("a.pdf")) == Erased(pages=2, chunks=9)


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_whatever_it_answers_it_is_there(world: World, status: int) -> None:
    world.server.faults["*"] = Fault(status=status, body=b"<html>", content_type="text/html")

    await world.rag.check()


async def test_pages_of_a_pdf_are_found_with_their_numbers(world: World) -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica")
    for line in ("The quiz counts for twenty percent.", "Leaves are green because of chlorophyll."):
        pdf.add_page()
        pdf.multi_cell(0, text=line)

    await world.rag.index(world.file("course.pdf", bytes(pdf.output())))
    (hit, _) = await world.rag.find("Why are leaves green?", ANN)

    assert (hit.filename, hit.page) == ("course.pdf", 2)
    assert "chlorophyll" in hit.text


async def test_it_says_what_it_made_of_a_document(world: World) -> None:
    report = await world.rag.index(world.file("a.txt"))
    assert report == IndexReport(
        chunk_embs_num=1,
        page_count=1,
        page_embs_num=1,
        page_collection="kb_user_7_page",
        chunk_collection="kb_user_7_chunk",
    )


async def test_what_makes_no_sense_of_its_report_is_left_out(world: World) -> None:
    nonsense = {"page_count": True, "page_embs_num": -1, "page_collection": 5, "chunk_collection": None}
    world.answers("/user/upload", {"chunk_embs_num": 2, **nonsense})
    assert await world.rag.index(world.file("a.txt")) == IndexReport(chunk_embs_num=2)


async def test_of_its_lists_only_names_are_taken(world: World) -> None:
    listed = ["b.pdf", None, 5, "", "x" * 300, {"name": "c"}, "a\x00.txt"]
    world.answers("/api/public_files", {"files": listed})
    world.answers("/api/users", {"users": listed})
    assert list(await world.documents.public_names()) == ["b.pdf", "a�.txt"]
    assert list(await world.documents.users()) == ["b.pdf", "a�.txt"]


@pytest.mark.parametrize("body", [{"files": "a.pdf", "users": {}}, {"names": []}, [], b"<html>"])
async def test_a_senseless_list_of_names_is_a_failure(world: World, body: object) -> None:
    for path, call in (
        ("/api/public_files", world.documents.public_names),
        ("/api/users", world.documents.users),
    ):
        world.answers(path, body)
        with pytest.raises(KnowledgeFailed):
            await call()
        world.answers(path, {"files": [], "users": []}, status=500)
        with pytest.raises(KnowledgeFailed):
            await call()


async def test_a_name_is_deleted_where_it_is_meant(world: World) -> None:
    await world.documents.forget("a b/文档.pdf", ANN)
    await world.documents.forget("a.pdf", None)
    own, public = world.server.received
    assert (own.path, own.form()[0]) == ("/user/delete", {"source_name": "a b/文档.pdf", "user_id": "7"})
    assert (public.path, public.form()[0]) == ("/admin/delete", {"source_name": "a.pdf"})
