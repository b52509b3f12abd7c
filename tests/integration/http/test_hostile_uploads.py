"""Uploads that mean harm (UL-1 … UL-10, pitfalls U*): each is refused in the contract's words, within its
time and memory, and leaves nothing. Names are in `test_uploads`, what a reader makes of a document in
`tests/contracts/test_extractor`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.documents import (
    MB,
    locked_pdf,
    long_pdf,
    marked_encrypted,
    paragraph,
    pdf,
    pdf_bomb,
    raw_pdf,
    scan,
    understating,
    word,
    word_of,
    zipped,
)
from tests.images import a_bomb, a_jpeg_bomb, a_picture
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.raw import connected, exchange
from tests.integration.http.uploading import Cost, measured, send, spooled, traces

MISMATCH = (400, "File content does not match its type", "bad_file")
UNREADABLE = (400, "Document cannot be read", "bad_file")
TOO_LONG = (400, "Document has too many pages (max 1000)", "bad_file")
TOO_MANY_PIXELS = (400, "Image has too many pixels (max 100 megapixels)", "bad_file")
TOO_LARGE = (413, "Request body too large", "too_large")
BAD_FORM = (400, "Malformed form data", "bad_request")

SECONDS = 30.0  # ten times what the slowest takes on a busy machine
SERVER_MB = 40.0  # beyond what it had, less than the body of many
READER_MB = 512.0


@pytest.fixture
async def untouched(home: House) -> AsyncIterator[None]:
    """The test must leave no trace."""
    before = await traces(home)
    yield
    assert await traces(home) == before


def assert_cheap(cost: Cost) -> None:
    assert cost.seconds < SECONDS
    assert cost.server_mb < SERVER_MB
    assert cost.reader_mb < READER_MB


def nested_zip() -> bytes:
    """Archives in archives, ten of each in each."""
    inner = zipped([(f"{n}", bytes(MB)) for n in range(10)])
    for _ in range(3):
        inner = zipped([(f"{n}.zip", inner) for n in range(10)])
    return inner


def overlapping() -> bytes:
    """Hundreds of entries of which all are the same bytes of the archive."""
    archive = zipped([("[Content_Types].xml", b"<Types/>"), ("word/document.xml", bytes(10 * MB))])
    place = archive.rfind(b"PK\x01\x02")
    end = archive.rfind(b"PK\x05\x06")
    entry = archive[place:end]
    name = b"word/document.xml"
    more = b"".join(entry.replace(name, b"word/docum%04d.xml" % n) for n in range(300))
    return archive[:end] + more + archive[end:]


def entity(doctype: str) -> bytes:
    return word_of("<w:p><w:r><w:t>&e;</w:t></w:r></w:p>", f"<!DOCTYPE x [{doctype}]>")


LAUGHS = "<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 20}'>" for before, name in zip("abcdfg", "bcdfge", strict=True)
)

EVIL: dict[str, tuple[str, Callable[[], bytes], tuple[int, str, str]]] = {
    "zip bomb": ("a.docx", lambda: word(parts={"word/a.xml": bytes(60 * MB)}), UNREADABLE),
    "lying zip bomb": ("a.docx", lambda: understating(word(), "word/document.xml"), UNREADABLE),
    "overlapping zip": ("a.docx", overlapping, UNREADABLE),
    "nested zip": ("a.docx", nested_zip, MISMATCH),
    "many entries": ("a.docx", lambda: word(parts={f"f{n}": b"" for n in range(6000)}), UNREADABLE),
    "encrypted docx": ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000), UNREADABLE),
    "encrypted entries": ("a.docx", lambda: marked_encrypted(word()), UNREADABLE),
    "macros": ("a.docx", lambda: word(parts={"word/vbaProject.bin": b"macro"}), UNREADABLE),
    "deep docx": ("a.docx", lambda: word_of("<w:sdt>" * 50_000), UNREADABLE),
    "file entity": ("a.docx", lambda: entity('<!ENTITY e SYSTEM "file:///etc/passwd">'), UNREADABLE),
    "billion laughs": ("a.docx", lambda: entity(LAUGHS), UNREADABLE),
    "pdf and docx": ("a.docx", lambda: pdf("x") + word(), MISMATCH),
    "gif and pdf": ("a.pdf", lambda: b"GIF89a/*" + pdf("x"), MISMATCH),
    "html and pdf": ("a.pdf", lambda: b"<script>alert(1)</script>" + pdf("x"), MISMATCH),
    "program as pdf": ("a.pdf", lambda: b"MZ" + bytes(10_000), MISMATCH),
    "10,000 pages": ("a.pdf", lambda: long_pdf(10_000), TOO_LONG),
    "locked pdf": ("a.pdf", locked_pdf, UNREADABLE),
    "half a pdf": ("a.pdf", lambda: pdf("x")[:300], UNREADABLE),
    "circular pdf": (
        "a.pdf",
        lambda: raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>"]),
        UNREADABLE,
    ),
    "deep pdf": ("a.pdf", lambda: b"%PDF-1.7\n1 0 obj\n" + b"<</A" * 500_000, UNREADABLE),
    "pdf bomb": ("a.pdf", lambda: pdf_bomb(200), UNREADABLE),
    "binary text": ("a.txt", lambda: bytes(range(256)) * 4000, MISMATCH),
    "docx as text": ("a.md", word, MISMATCH),
    "blank text": ("a.txt", lambda: b" \n" * 5 * MB, UNREADABLE),
    "svg as png": ("a.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", MISMATCH),
    "heic as sound": ("a.m4a", lambda: b"\x00\x00\x00\x18ftypheic" + bytes(100), MISMATCH),
    "60000 x 60000": ("a.png", a_bomb, TOO_MANY_PIXELS),
    "12000 x 12000 behind junk": ("a.jpg", a_jpeg_bomb, TOO_MANY_PIXELS),
}


@pytest.mark.parametrize("evil", EVIL)
async def test_evil_files(ann: User, untouched: None, evil: str) -> None:
    name, make, expected = EVIL[evil]
    content = make()

    async with measured() as cost:
        answer = await send(ann, name, content)

    assert refusal(answer) == expected
    assert_cheap(cost)


async def test_a_document_asks_nobody_else(ann: User, untouched: None) -> None:
    """Neither an entity nor a relation nor a picture makes us fetch what it names."""
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        by_entity = entity(f'<!ENTITY % p SYSTEM "{url}"> %p; <!ENTITY e "x">')
        by_type = word_of(paragraph("x"), f'<!DOCTYPE x SYSTEM "{url}">')
        for content in (by_entity, by_type):
            assert refusal(await send(ann, "a.docx", content)) == UNREADABLE
    assert asked == []


async def test_bombs_in_parallel_leave_the_others_alone(ann: User, bob: User) -> None:
    before = await traces(ann.house)
    bomb, long = pdf_bomb(100), long_pdf(10_000)

    async with measured() as cost:
        evil = [
            asyncio.create_task(send(ann, "a.pdf", content)) for content in (bomb, long, bomb, long, bomb)
        ]
        waited = 0.0
        while not all(task.done() for task in evil):
            asked = time.monotonic()
            assert (await bob.get("/api/chat/history")).status_code == 200
            waited = max(waited, time.monotonic() - asked)
            await asyncio.sleep(0.05)

    assert {refusal(await task) for task in evil} == {UNREADABLE, TOO_LONG}
    assert waited < 5
    assert cost.server_mb < SERVER_MB
    assert await traces(ann.house) == before


# bodies


def head(user: User, *more: str, path: str = "/api/chat/upload") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {user.token}",
        "Content-Type: multipart/form-data; boundary=B",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def part(name: str = "a.mp3") -> bytes:
    return f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()


async def test_a_length_beyond_all_limits_is_refused_unread(ann: User, untouched: None) -> None:
    async with connected(ann.house.url) as (reader, writer):
        writer.write(head(ann, f"Content-Length: {10 * 1024 * MB}"))
        async with asyncio.timeout(SECONDS):
            answer = await reader.readuntil(b"}")

    assert answer.startswith(b"HTTP/1.1 413")
    assert TOO_LARGE[1].encode() in answer


async def test_a_body_shorter_than_it_said_is_no_upload(ann: User, untouched: None) -> None:
    answer = await exchange(ann.house.url, head(ann, "Content-Length: 50000") + part() + b"ID3\x03", within=1)

    assert answer == b""  # still waiting; and the line is closed now
    await gone()


async def test_a_body_longer_than_it_said_is_cut(ann: User, untouched: None) -> None:
    sent = part("a.txt") + b"The nucleus holds the DNA."
    length = f"Content-Length: {len(sent)}"

    answer = await exchange(ann.house.url, head(ann, length, "Connection: close") + sent + b"\r\n--B--\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert BAD_FORM[1].encode() in answer


async def test_a_flood_of_chunks_ends_at_the_limit(ann: User, untouched: None) -> None:
    chunk = b"%x\r\n" % (256 * 1024) + bytes(256 * 1024) + b"\r\n"
    async with measured() as cost, connected(ann.house.url) as (reader, writer):
        answering = asyncio.create_task(reader.readuntil(b"}"))
        writer.write(head(ann, "Transfer-Encoding: chunked"))
        writer.write(b"%x\r\n" % len(part()) + part() + b"\r\n")
        with suppress(ConnectionError):
            for _ in range(4 * 70):
                writer.write(chunk)
                await writer.drain()
        async with asyncio.timeout(SECONDS):
            answer = await answering

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"Maximum size for audio files is 50 MB" in answer
    assert_cheap(cost)


@pytest.mark.parametrize(
    ("path", "name", "size", "status", "msg"),
    [
        ("/api/chat/upload", "...", 0, 400, "Invalid filename"),
        ("/api/chat/upload", "a.exe", 0, 400, "File type '.exe' not allowed"),
        ("/api/chat/upload", "a.png", 5 * MB, 413, "Maximum size for image files is 5 MB"),
        ("/api/chat/upload", "a.txt", 20 * MB, 413, "Maximum size for document files is 20 MB"),
        ("/api/upload", "a.png", 0, 400, "Allowed types: documents (docx, md, pdf, txt)"),
        ("/api/upload", "a.txt", 20 * MB, 413, "Maximum size for document files is 20 MB"),
    ],
)
async def test_a_refusal_waits_for_nothing_that_does_not_matter_any_more(
    ann: User, untouched: None, path: str, name: str, size: int, status: int, msg: str
) -> None:
    """Much more was announced than has come."""
    sent = part(name) + bytes(size and size + 100)  # a line may always begin that ends the part
    async with connected(ann.house.url) as (reader, writer):
        writer.write(head(ann, f"Content-Length: {len(sent) + 100_000}", path=path) + sent)
        async with asyncio.timeout(SECONDS):
            answer = await reader.readuntil(b"}")
        await gone()

    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert msg.encode() in answer


@pytest.mark.parametrize("asks_first", [False, True])
async def test_who_goes_on_sending_after_a_refusal_keeps_his_line(
    ann: User, untouched: None, asks_first: bool
) -> None:
    begin, rest = part("a.exe"), bytes(8 * MB)
    length = f"Content-Length: {len(begin + rest)}"
    async with connected(ann.house.url) as (reader, writer), asyncio.timeout(SECONDS):
        if asks_first:
            writer.write(head(ann, f"{length}\r\nExpect: 100-continue"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(begin)
        else:
            writer.write(head(ann, length) + begin)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 400")
        writer.write(rest + b"GET /api/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"pong")


@pytest.mark.parametrize(
    "body",
    [
        b"".join(part(f"{n}.txt").replace(b"file", b"f%d" % n, 1) + b"x\r\n" for n in range(70))
        + b"--B--\r\n",
        b'--B\r\nContent-Disposition: form-data; name="session_id"\r\n\r\n'
        + b"1" * 2 * MB
        + b"\r\n--B--\r\n",
        part() + b"ID3\x03",
        b"--B\r\n" + b"X: y\r\n" * 5000 + b"\r\nx\r\n--B--\r\n",
        b"--B\r\nContent-Disposition: form-data; name=" + b"x" * 200_000 + b"\r\n\r\nx\r\n--B--\r\n",
        b"\x00" * 100_000,
    ],
    ids=["70 parts", "long text", "no end", "many headers", "long header", "no part"],
)
async def test_evil_forms(ann: User, untouched: None, body: bytes) -> None:
    async with measured() as cost:
        answer = await ann.house.client.post(
            "/api/chat/upload",
            content=body,
            headers={**ann.headers, "Content-Type": "multipart/form-data; boundary=B"},
        )

    assert refusal(answer) == BAD_FORM
    assert_cheap(cost)


async def test_dripping_a_body_is_given_up(tmp_path: Path, redis: object, valkey_url: str) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, BODY_GRACE_SECONDS="1") as house:
        ann = await house.user()
        before = await traces(house)
        async with connected(house.url) as (reader, writer):
            writer.write(head(ann, f"Content-Length: {MB}") + part())
            got = asyncio.create_task(reader.read(65536))
            began = time.monotonic()
            while not got.done() and time.monotonic() - began < SECONDS:
                writer.write(b"x")
                await asyncio.sleep(0.1)
            answer = await got

        assert answer.startswith(b"HTTP/1.1 400")
        assert b"Request body came too slowly" in answer
        await gone()
        assert await traces(house) == before
        large = a_picture((1200, 1200), mode="RGB", format="PNG", compress_level=0)
        assert (await send(ann, "a.png", large)).status_code == 200


async def gone() -> None:
    """A client that left has been noticed."""
    for _ in range(200):
        if not spooled():
            return
        await asyncio.sleep(0.02)


# what only looks bad


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ole.docx", word("Osmosis.", parts={"word/embeddings/oleObject1.bin": b"a formula"})),
        ("long.pdf", long_pdf(1000)),
        ("chinese.txt", "细胞是生命的基本单位，线粒体为细胞提供能量。\n".encode("gb18030") * 3),
        ("wide.txt", "细胞是生命的基本单位，线粒体为细胞提供能量。\n".encode("utf-16-le")),
        ("appendix.png", a_picture() + word()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_harmless_files(ann: User, name: str, content: bytes) -> None:
    async with measured() as cost:
        answer = await send(ann, name, content)

    assert answer.status_code == 200, answer.text
    assert answer.json().get("rag_status") in ("indexed", "pending", None)
    assert_cheap(cost)


async def test_a_scan_is_kept_and_said_to_be_one(home: House) -> None:
    cleo = await home.user("cleo@example.org")

    answer = (await send(cleo, "board.pdf", scan("", "Scanned with a phone"))).json()

    assert answer["msg"] == "File uploaded successfully"
    assert (answer["rag_indexed"], answer["rag_status"]) == (False, "failed")
    assert answer["rag_error"] == "Document is a scan without text"
    (listed,) = (await cleo.get("/api/user_files")).json()["files"]
    assert (listed["filename"], listed["rag_status"]) == ("board.pdf", "failed")
    (news,) = [
        note
        for note in (await cleo.get("/api/user/notifications")).json()["notifications"]
        if note["title"] == "Document not indexed"
    ]
    assert news["message"] == "board.pdf could not be indexed. Document is a scan without text"
