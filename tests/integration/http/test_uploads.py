"""Files into a chat (contract 5.1, 5.2): every refusal in its order, and nothing of it is left."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope, provide
from typing_extensions import override

from adapters.disk.blobs import DiskBlobs
from application.ports.blobs import Blobs, BlobStoreUnavailable
from entrypoints.settings import Settings
from tests.documents import marked_encrypted, pdf, word
from tests.images import chunk
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import ISO, refusal
from tests.integration.http.raw import connected
from tests.integration.http.uploading import send, spooled, traces
from tests.servers.http import Fault
from tests.servers.rag_service import RagServiceServer

MB = 1024 * 1024
NO_PART = (400, "No file part in the request", "missing_field")
NO_FILE = (400, "No file selected for uploading", "missing_field")
BAD_NAME = (400, "Invalid filename", "bad_request")
EMPTY = (400, "File is empty", "bad_file")
MISMATCH = (400, "File content does not match its type", "bad_file")
UNREADABLE = (400, "Document cannot be read", "bad_file")
ALLOWED = "Allowed types: images (jpeg, jpg, png), audio (m4a, mp3, wav), documents (docx, md, pdf, txt)"
NOT_EXE = (400, f"File type '.exe' not allowed. {ALLOWED}", "file_type")
MALFORMED = (400, "Malformed form data", "bad_request")
TEXT = b"The mitochondrion makes the energy of the cell."
CELL = "The nucleus holds the DNA."
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 50
MP3 = b"ID3\x03" + b"\x00" * 50


@pytest.fixture
async def untouched(home: House) -> AsyncIterator[None]:
    """The test must leave no trace."""
    before = await traces(home)
    yield
    assert await traces(home) == before


# what is kept


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("cells.txt", TEXT, "document"),
        ("cells.md", b"# Cells\n\n" + TEXT, "document"),
        ("cells.PDF", pdf(CELL), "document"),
        ("cells.Docx", word(), "document"),
        ("cell.png", PNG, "image"),
        ("cell.jpg", b"\xff\xd8\xff\xe0" + b"\x00" * 50, "image"),
        ("cell.JPEG", b"\xff\xd8\xff\xe0" + b"\x00" * 50, "image"),
        ("cell.mp3", MP3, "audio"),
        ("cell.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 50, "audio"),
        ("cell.m4a", b"\x00\x00\x00\x20ftypM4A " + b"\x00" * 50, "audio"),
    ],
)
async def test_all_kinds_of_files(ann: User, name: str, content: bytes, kind: str) -> None:
    answer = await send(ann, name, content)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    file, message, session = body.pop("file_id"), body.pop("message_id"), body.pop("session_id")
    assert type(file) is type(message) is type(session) is int
    path = body.pop("file_path")
    assert path.startswith("uploads/1/")
    assert path.endswith(f"_{name}")
    expected: dict[str, object] = {"msg": "File uploaded successfully", "file_type": kind, "filename": name}
    if kind == "document":
        expected |= {"rag_indexed": True, "rag_status": "indexed"}
    assert body == expected
    (listed,) = await ann.messages(session)
    assert listed.pop("created_at")
    assert listed == {
        "id": message,
        "role": "user",
        "content": f"Uploaded {kind}: {name}",
        "file_type": kind,
        "file_path": path,
        "file_id": file,
        "file_url": f"/api/files/{file}",
    }
    (history,) = [s for s in (await ann.get("/api/chat/history")).json() if s["id"] == session]
    assert (history["title"], history["message_count"]) == (f"File: {name}", 1)


async def test_a_file_joins_a_session(ann: User) -> None:
    session = await ann.new_session("Biology")
    answer = await send(ann, "x" * 60 + ".txt", TEXT, session_id=str(session))

    assert answer.json()["session_id"] == session
    (history,) = [s for s in (await ann.get("/api/chat/history")).json() if s["id"] == session]
    assert (history["title"], history["message_count"]) == ("Biology", 1)


@pytest.mark.parametrize("unsent", ["", "null", "undefined"])
async def test_an_unsent_session_is_a_new_one_named_after_the_file(ann: User, unsent: str) -> None:
    answer = await send(ann, "n" * 60 + ".txt", TEXT, session_id=unsent, timeout="30000")
    session = answer.json()["session_id"]
    (history,) = [s for s in (await ann.get("/api/chat/history")).json() if s["id"] == session]
    assert history["title"] == "File: " + "n" * 30


async def test_the_list_of_ones_files(house: House) -> None:
    ann, bob = await house.user("ann@example.org"), await house.user("bob@example.org")
    assert (await ann.get("/api/user_files")).json() == {
        "msg": "Files retrieved successfully",
        "total": 0,
        "files": [],
    }
    first = (await send(ann, "cells.txt", TEXT)).json()
    second = (await send(ann, "cell.png", PNG, session_id=str(first["session_id"]))).json()
    await send(bob, "bob.txt", TEXT)

    listed = (await ann.get("/api/user_files")).json()
    assert (listed["msg"], listed["total"]) == ("Files retrieved successfully", 2)
    assert [f["file_id"] for f in listed["files"]] == [second["file_id"], first["file_id"]]
    file = listed["files"][1]
    assert ISO.fullmatch(file.pop("created_at"))
    assert file == {
        "id": first["message_id"],
        "file_id": first["file_id"],
        "filename": "cells.txt",
        "file_type": "document",
        "file_path": first["file_path"],
        "content": "Uploaded document: cells.txt",
        "session_id": first["session_id"],
        "size": len(TEXT),
        "rag_status": "indexed",
        "file_url": f"/api/files/{first['file_id']}",
    }
    assert listed["files"][0]["rag_status"] is None
    page = (await ann.get("/api/user_files", params={"limit": 1, "page": 2})).json()
    assert (page["total"], [f["filename"] for f in page["files"]]) == (2, ["cells.txt"])


# refusals, in their order


BODY_WITHOUT_FILE = [
    ({}, NO_PART),
    ({"data": {"session_id": "x"}}, NO_PART),
    ({"data": {"file": ""}}, NO_FILE),
    ({"data": {"file": "", "session_id": "x"}}, NO_FILE),
    ({"files": {"file": ("", b"")}}, NO_FILE),
    ({"files": {"file": ("", TEXT)}}, NO_FILE),
    ({"files": {"other": ("a.txt", TEXT)}}, NO_PART),
    ({"files": {"session_id": (None, b"1")}}, NO_PART),
]


@pytest.mark.parametrize(("options", "expected"), BODY_WITHOUT_FILE)
async def test_there_must_be_a_file(
    ann: User, untouched: None, options: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert refusal(await ann.post("/api/chat/upload", **options)) == expected


async def test_a_file_does_not_fit_into_json(ann: User, untouched: None) -> None:
    answer = await ann.post("/api/chat/upload", json={"file": "x"})
    assert refusal(answer) == (415, "Content-Type must be a form type", "unsupported_media_type")


@pytest.mark.parametrize("name", ["...", " . ", "/", "a/..", "cells.txt/", "\u202e\u200b", ".\u200f."])
async def test_names_of_which_nothing_is_left(ann: User, untouched: None, name: str) -> None:
    assert refusal(await send(ann, name, b"", session_id="x")) == BAD_NAME


@pytest.mark.parametrize("folder", ["C:\\", "\\\\"])
async def test_a_folder_of_windows_is_no_name(ann: User, untouched: None, folder: str) -> None:
    assert refusal(await send(ann, folder, b"", session_id="x")) == NO_FILE


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("cells", ""),
        ("cells.", ""),
        (".txt", ""),
        ("cells.exe", "exe"),
        ("cells.txt.exe", "exe"),
        ("cells.doc", "doc"),
        ("cells.xlsx", "xlsx"),
        ("cells.svg", "svg"),
        ("cells.html", "html"),
        ("cells.php", "php"),
        ("cells.ｔｘｔ", "ｔｘｔ"),
        ("cells.txt;.png.sh", "sh"),
        ("cells." + "x" * 100, "x" * 20),
    ],
)
async def test_types_by_list(ann: User, untouched: None, name: str, extension: str) -> None:
    answer = await send(ann, name, b"", session_id="x")
    assert refusal(answer) == (400, f"File type '.{extension}' not allowed. {ALLOWED}", "file_type")


@pytest.mark.parametrize("name", ["cells.txt", "cells.pdf ", "cells.txt\u202e"])
async def test_an_empty_file(ann: User, untouched: None, name: str) -> None:
    assert refusal(await send(ann, name, b"", session_id="x")) == EMPTY


@pytest.mark.parametrize(
    ("name", "kind", "limit"), [("a.pdf", "document", 20), ("a.png", "image", 5), ("a.mp3", "audio", 50)]
)
async def test_sizes_by_kind(ann: User, untouched: None, name: str, kind: str, limit: int) -> None:
    answer = await send(ann, name, b"x" * (limit * MB + 1), session_id="x")
    expected = f"File too large. Maximum size for {kind} files is {limit} MB"
    assert refusal(answer) == (413, expected, "too_large")


async def test_the_size_itself_is_allowed(ann: User) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", bytes(5 * MB - 20))
    assert len(picture) == 5 * MB
    assert (await send(ann, "a.png", picture)).status_code == 200


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"\xff\xd8\xff\xe0" + b"\x00" * 50),
        ("a.jpg", PNG),
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>"),
        ("a.png", TEXT),
        ("a.mp3", TEXT),
        ("a.wav", MP3),
        ("a.m4a", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("a.pdf", TEXT),
        ("a.pdf", PNG),
        ("a.docx", TEXT),
        ("a.docx", pdf(CELL)),
        ("a.txt", pdf(CELL)),
        ("a.txt", PNG),
        ("a.txt", word()),
        ("a.md", b"MZ\x90\x00\x03\x00\x00\x00" + bytes(range(256)) * 8),
        ("a.txt", bytes(range(256)) * 40),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:8]),
)
async def test_content_that_is_not_what_the_name_says(
    ann: User, untouched: None, name: str, content: bytes
) -> None:
    assert refusal(await send(ann, name, content, session_id="x")) == MISMATCH


@pytest.mark.parametrize(
    "name",
    [
        "cut.pdf",
        "empty.pdf",
        "cut.docx",
        "bomb.docx",
        "macro.docx",
        "locked.docx",
        "encrypted.docx",
        "blank.txt",
        "blank.docx",
        "many.docx",
    ],
)
async def test_documents_that_cannot_be_read(ann: User, untouched: None, name: str) -> None:
    assert refusal(await send(ann, name, BROKEN[name](), session_id="x")) == UNREADABLE


BROKEN: dict[str, Callable[[], bytes]] = {
    "cut.pdf": lambda: b"%PDF-1.7\n" + b"garbage " * 100,
    "empty.pdf": lambda: b"%PDF-1.7",
    "cut.docx": lambda: word()[:-200],
    "bomb.docx": lambda: word(parts={"word/zeros.xml": b"\x00" * (60 * MB)}),
    "macro.docx": lambda: word(parts={"word/vbaProject.bin": b"macro"}),
    "locked.docx": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 2000,
    "encrypted.docx": lambda: marked_encrypted(word()),
    "blank.txt": lambda: b" \n\t \n",
    "blank.docx": lambda: word(" "),
    "many.docx": lambda: word(parts={f"f{n}": b"" for n in range(6000)}),
}


async def test_too_many_pages(tmp_path: Path, redis: object, valkey_url: str) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, MAX_DOCUMENT_PAGES="3") as house:
        ann = await house.user()
        before = await traces(house)
        assert refusal(await send(ann, "long.pdf", pdf(*[CELL] * 4), session_id="x")) == (
            400,
            "Document has too many pages (max 3)",
            "bad_file",
        )
        assert await traces(house) == before
        assert (await send(ann, "short.pdf", pdf(*[CELL] * 3))).status_code == 200


@pytest.mark.parametrize(
    "session", ["x", "0", "-1", "1.5", "9223372036854775808", "true", "[1]", "1\x00", "\x00"]
)
async def test_what_is_no_session(ann: User, untouched: None, session: str) -> None:
    answer = await send(ann, "cells.txt", TEXT, session_id=session)
    assert refusal(answer) == (400, "Invalid session_id", "invalid_field")
    assert refusal(await send(ann, "cells.txt", PNG, session_id=session)) == MISMATCH  # which comes first


async def test_a_session_that_is_missing_or_anothers(ann: User, bob: User) -> None:
    foreign = await bob.new_session()
    before = await traces(ann.house)
    for session in ("999999", str(foreign)):
        answer = await send(ann, "cells.txt", TEXT, session_id=session)
        assert refusal(answer) == (404, "Session not found", "not_found")
    assert await traces(ann.house) == before
    assert await bob.messages(foreign) == []


# names


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\windows\\system.txt", "system.txt"),
        ("/etc/cron.d/x.txt", "x.txt"),
        ("C:\\Users\\ann\\notes.txt", "notes.txt"),
        ("....//....//x.txt", "x.txt"),
        ("a\u202etxt.exe.txt", "atxt.exe.txt"),
        ("a\u200bb\u2066c.txt", "abc.txt"),
        ("e\u0301.txt", "é.txt"),
        ("文档.txt", "文档.txt"),
        ("资料 (1).txt", "资料 (1).txt"),
        ("😀.txt", "😀.txt"),
        (" .. notes.txt . ", "notes.txt"),
        ("a b  c.txt", "a b  c.txt"),
        ("a'b;c&d|e$f`g.txt", "a'b;c&d|e$f`g.txt"),
        ("%2e%2e%2fx.txt", "%2e%2e%2fx.txt"),
        ("<img src=x>.txt", "<img src=x>.txt"),
        ("a#b?c.txt", "a#b?c.txt"),
        ("x" * 300 + ".txt", "x" * 146 + ".txt"),
        ("文" * 300 + ".txt", "文" * 146 + ".txt"),
        ("-rf.txt", "-rf.txt"),
        (".hidden.txt", "hidden.txt"),
        ("con.txt", "_con.txt"),
        ("LPT1.tar.txt", "_LPT1.tar.txt"),
        ("a.tar.txt", "a.tar.txt"),
        ("=1+1.txt", "=1+1.txt"),
    ],
)
async def test_names_are_labels_and_choose_no_place(ann: User, name: str, kept: str) -> None:
    answer = await send(ann, name, TEXT)

    assert answer.status_code == 200, answer.text
    assert answer.json()["filename"] == kept
    assert answer.json()["file_path"].split("/")[:2] == ["uploads", "1"]
    assert len(answer.json()["file_path"]) <= 500
    names = {path.name for path in Path(ann.house.settings.upload_dir).rglob("*") if path.is_file()}
    assert all(len(n) == 32 and int(n, 16) for n in names)
    listed = (await ann.get("/api/user_files", params={"limit": 1})).json()["files"][0]
    assert listed["filename"] == kept


async def sent_raw(user: User, disposition: bytes) -> httpx.Response:
    body = b"--B\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + TEXT + b"\r\n--B--\r\n"
    return await user.house.client.post(
        "/api/chat/upload",
        content=body,
        headers={**user.headers, "Content-Type": "multipart/form-data; boundary=B"},
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'"a\x00b.txt"', "ab.txt"),
        (b'"a\x01\x1fb.txt"', "ab.txt"),
        (b'"a%00b.txt"', "a%00b.txt"),
        (b'"a%0d%0aX: y.txt"', "a%0d%0aX: y.txt"),
        (b'"a%0D%0AX: y.txt"', "aX: y.txt"),
        (b'"a\\"b.txt"', 'a"b.txt'),
        (b"a.txt", "a.txt"),
        (b'"a.exe"; filename="b.txt"', "b.txt"),
        (b'"' + b"x" * 3000 + b'.txt"', "x" * 146 + ".txt"),
    ],
)
async def test_raw_names(ann: User, sent: bytes, kept: str) -> None:
    answer = await sent_raw(ann, b'form-data; name="file"; filename=' + sent)

    assert (answer.status_code, answer.json().get("filename")) == (200, kept)
    listed = (await ann.get("/api/user_files", params={"limit": 1})).json()["files"][0]
    assert listed["filename"] == kept
    assert spooled() == []


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (b'form-data; name="file"; filename="\xff\xfe.txt"', MALFORMED),
        (b'form-data; name="file"; filename="a.txt"; filename="b.exe"', NOT_EXE),
        (b"form-data; name=\"file\"; filename*=UTF-8''a%2e%2e.txt", NO_FILE),  # not in forms: RFC 7578
        (b'form-data; name=file; filename=".."', BAD_NAME),
        (b'form-data; name="file"; filename=""', NO_FILE),
        (b'form-data; filename="a.txt"', NO_PART),
    ],
)
async def test_raw_names_that_are_none(
    ann: User, untouched: None, disposition: bytes, expected: tuple[int, str, str]
) -> None:
    assert refusal(await sent_raw(ann, disposition)) == expected


async def test_same_name_at_the_same_time(ann: User) -> None:
    answers = await asyncio.gather(*(send(ann, "same.png", PNG + bytes([n])) for n in range(6)))

    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["file_path"] for a in answers}) == 6
    assert {a.json()["filename"] for a in answers} == {"same.png"}


async def test_of_two_parts_the_first_counts_and_nothing_stays(ann: User) -> None:
    files = [("file", ("one.txt", TEXT)), ("file", ("two.txt", TEXT)), ("more", ("three.txt", TEXT))]
    answer = await ann.post("/api/chat/upload", files=files)
    assert answer.json()["filename"] == "one.txt"
    assert spooled() == []


# what goes wrong on the way


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_aborted_upload_leaves_nothing(ann: User, untouched: None, end: str) -> None:
    async with connected(ann.house.url) as (_, writer):
        writer.write(
            f"POST /api/chat/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
            f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {10 * MB}\r\n\r\n"
            '--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'.encode()
            + b"ID3\x03"
            + b"\x00" * MB
        )
        await writer.drain()
        for _ in range(100):
            if spooled():
                break
            await asyncio.sleep(0.02)
        assert spooled()
        if end == "reset":
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
    for _ in range(100):
        if not spooled():
            break
        await asyncio.sleep(0.02)


class FullDisk(DiskBlobs):
    @override
    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        async for _ in content:
            break
        raise BlobStoreUnavailable


class NoSpace(Provider):
    @provide(scope=Scope.APP, override=True)
    def blobs(self, settings: Settings) -> Blobs:
        return FullDisk(Path(settings.upload_dir))


async def test_a_full_disk(tmp_path: Path, redis: object, valkey_url: str) -> None:
    async with a_house(tmp_path, NoSpace(), REDIS_URL=valkey_url) as house:
        ann = await house.user()
        before = await traces(house)
        answer = await send(ann, "cells.txt", TEXT)
        assert refusal(answer)[:2] == (503, "Failed to save file")
        assert await traces(house) == before


# indexing never fails the upload


async def listed(user: User) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = (await user.get("/api/user_files")).json()["files"]
    return files


@pytest.fixture
async def rag() -> AsyncIterator[RagServiceServer]:
    async with RagServiceServer() as server:
        yield server


@pytest.fixture
async def rag_house(
    tmp_path: Path, redis: object, valkey_url: str, rag: RagServiceServer
) -> AsyncIterator[User]:
    async with a_house(tmp_path, REDIS_URL=valkey_url, RAG_URL=rag.url, RAG_INDEX_WAIT_SECONDS="1") as house:
        yield await house.user()


async def test_the_index_is_told_a_harmless_name_and_our_user(rag_house: User, rag: RagServiceServer) -> None:
    answer = await send(rag_house, 'it\'s "quoted" [1] 100%.md', TEXT, user_id="99", admin="true")

    assert answer.json()["rag_status"] == "indexed", answer.text
    (request,) = rag.asked("/user/upload")
    fields, files = request.form()
    assert fields == {"user_id": "1"}
    assert set(files) == {"file"}
    assert files["file"].name == "it_s _quoted_ _1_ 100_.md.txt"
    assert files["file"].content == TEXT
    assert "authorization" not in request.headers


BAD = "RAG service error: bad response"
FAULTS = [
    (Fault(status=500, body=b'{"error": true, "message": "secret"}'), "RAG indexing failed: 500"),
    (Fault(status=200, body=b"<html>secret"), BAD),
    (Fault(reset=True), BAD),
]


async def test_an_index_that_fails_fails_no_upload_and_is_tried_again(
    rag_house: User, rag: RagServiceServer
) -> None:
    for fault, error in FAULTS:
        rag.faults["/user/upload"] = fault
        answer = await send(rag_house, "cells.txt", TEXT)

        assert answer.status_code == 200
        told = answer.json()
        assert (told["rag_indexed"], told["rag_status"], told["rag_error"]) == (False, "failed", error)
    rag.faults.clear()
    async with asyncio.timeout(30):
        while any(file["rag_status"] != "indexed" for file in await listed(rag_house)):  # noqa: ASYNC110 (is asked for)
            await asyncio.sleep(0.1)


async def test_an_index_that_takes_its_time_is_not_waited_for(rag_house: User, rag: RagServiceServer) -> None:
    rag.faults["/user/upload"] = Fault(hang=True)
    async with asyncio.timeout(20):
        answer = await send(rag_house, "cells.txt", TEXT)

    assert (answer.json()["rag_indexed"], answer.json()["rag_status"]) == (False, "pending")
    assert "rag_error" not in answer.json()
    assert [file["rag_status"] for file in await listed(rag_house)] == ["pending"]


async def test_pictures_and_sounds_are_never_indexed(rag_house: User, rag: RagServiceServer) -> None:
    for name, content in (("a.png", PNG), ("a.mp3", MP3)):
        assert "rag_status" not in (await send(rag_house, name, content)).json()
    assert rag.asked("/user/upload") == []


async def test_a_refused_file_is_never_sent_on(rag_house: User, rag: RagServiceServer) -> None:
    for name, content in (("a.txt", PNG), ("a.exe", TEXT), ("a.txt", b""), ("...", TEXT)):
        assert (await send(rag_house, name, content)).status_code == 400
    assert rag.received == []
