"""What every Extractor promises. The fake reads plain text only; the real one is asked about every format."""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.extraction import formats
from adapters.extraction.extractor import ProcessExtractor
from adapters.extraction.reading import Limits
from adapters.extraction.wire import ENCODER, LINES, Done, Found, Line, PagesRead, Refusal, Request
from adapters.niceness import BEHIND
from application.ports.extraction import ExtractionUnavailable, Extractor, Piece
from domain.document import BadFile
from tests.documents import (
    locked_pdf,
    long_pdf,
    pdf,
    pdf_bomb,
    pdf_of,
    raw_pdf,
    scan,
    word,
    zipped,
)
from tests.fakes.extraction import FakeExtractor

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
MISMATCH = "File content does not match its type"
UNREADABLE = "Document cannot be read"
SCAN = "Document is a scan without text"


@pytest.fixture(params=["fake", "process"])
def extractor(request: pytest.FixtureRequest) -> Extractor:
    return FakeExtractor() if request.param == "fake" else ProcessExtractor()


@pytest.fixture
def process() -> ProcessExtractor:
    return ProcessExtractor(max_pages=8, timeout_s=20)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def to_disk(content: bytes) -> Path:
        file = tmp_path / "opaque-name"
        file.write_bytes(content)
        return file

    return to_disk


async def refused(extractor: Extractor, file: Path, extension: str) -> set[str]:
    """What `pieces` and `check` say."""
    said = set()
    for ask in (extractor.pieces, extractor.check):
        with pytest.raises(BadFile) as caught:
            await ask(file, extension)
        said.add(caught.value.msg)
    return said


async def text_of(extractor: Extractor, file: Path, extension: str) -> str:
    """Of a document that fits into one piece."""
    await extractor.check(file, extension)
    (piece,) = await extractor.pieces(file, extension)
    assert piece.end - piece.start == len(piece.text)
    return piece.text


@pytest.mark.parametrize("extension", ["txt", "md"])
@pytest.mark.parametrize("text", ["Hello.", "# Überschrift\n\nGrüße, 世界 🎓"])
async def test_text_is_read(
    extractor: Extractor, write: Callable[[bytes], Path], extension: str, text: str
) -> None:
    assert await text_of(extractor, write(text.encode()), extension) == text


async def test_a_byte_order_mark_is_no_text(extractor: Extractor, write: Callable[[bytes], Path]) -> None:
    assert await extractor.pieces(write(b"\xef\xbb\xbfHello."), "txt") == [Piece(None, 0, 6, "", "Hello.")]


async def test_a_long_text_comes_in_pieces_in_order(
    extractor: Extractor, write: Callable[[bytes], Path]
) -> None:
    text = " ".join(f"Sentence number {n} has about ten words in it today." for n in range(60))

    found = await extractor.pieces(write(text.encode()), "txt")

    assert len(found) > 5
    assert all(piece.text == text[piece.start : piece.end] for piece in found)
    assert all(one.start < other.start for one, other in pairwise(found))


async def test_progress_is_told_page_by_page(extractor: Extractor, write: Callable[[bytes], Path]) -> None:
    texts = [f"Page {n} of three." for n in (1, 2, 3)]
    content = "\x0c".join(texts).encode() if isinstance(extractor, FakeExtractor) else pdf(*texts)
    told: list[tuple[int, int]] = []

    found = await extractor.pieces(write(content), "pdf", lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [(piece.page, piece.text) for piece in found] == [(1, texts[0]), (2, texts[1]), (3, texts[2])]


async def test_bytes_that_are_no_text_are_refused(
    extractor: Extractor, write: Callable[[bytes], Path]
) -> None:
    assert await refused(extractor, write(bytes(range(256)) * 20), "txt") == {MISMATCH}


async def test_blanks_alone_cannot_be_read(extractor: Extractor, write: Callable[[bytes], Path]) -> None:
    assert await refused(extractor, write(b" \n\t\n"), "md") == {UNREADABLE}


# text


async def test_legacy_encodings_are_recognised(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    text = "Schöne Grüße aus München, wo die Straßen größer wirken als früher."

    assert await text_of(process, write(text.encode("cp1252")), "txt") == text


async def test_line_ends_controls_and_deserts_of_blanks_are_made_plain(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    text = "one\r\ntwo\rthree\x0cfour" + " and so on" * 60 + "\x01" + " " * 5000 + "the" + "\n" * 5000 + "end"

    found = await process.pieces(write(text.encode()), "txt")

    assert found[0].text.startswith("one\ntwo\nthree\n\nfour and")
    assert found[-1].text.endswith("so on the\n\nend")


# pdf


async def test_what_runs_through_all_pages_of_a_pdf_is_read_once(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    pages = [
        f"Oceans\nPage of {word}.\nProf. Sand - {n}" for n, word in enumerate(("salt", "waves", "ice"), 1)
    ]

    found = await process.pieces(write(pdf(*pages)), "pdf")

    assert [piece.text for piece in found] == [pages[0], "Page of waves.", "Page of ice."]
    assert all(piece.end - piece.start == len(piece.text) for piece in found)


async def test_the_pages_of_a_pdf_are_kept_apart(process: ProcessExtractor) -> None:
    found = await process.pieces(SAMPLES / "ocean-science.pdf", "pdf")

    assert sorted({piece.page for piece in found if piece.page}) == [1, 2, 3, 4, 5, 6, 7]
    (deep,) = [piece for piece in found if "10,935 metres" in piece.text]
    assert deep.page == 5
    assert "\r" not in "".join(piece.text for piece in found)


async def test_a_pdf_may_not_have_too_many_pages(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    assert await refused(process, write(long_pdf(9)), "pdf") == {"Document has too many pages (max 8)"}
    assert await refused(process, write(long_pdf(20_000)), "pdf") == {"Document has too many pages (max 8)"}


@pytest.mark.parametrize("stamps", [("",), ("", "", ""), ("Scanned with a phone", "Scanned with a phone")])
async def test_a_scan_is_a_document_in_which_nothing_can_be_found(
    process: ProcessExtractor, write: Callable[[bytes], Path], stamps: tuple[str, ...]
) -> None:
    file = write(scan(*stamps))

    await process.check(file, "pdf")
    with pytest.raises(BadFile, match=SCAN):
        await process.pieces(file, "pdf")


async def test_a_scan_with_recognised_text_is_read(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    text = "The text that somebody has recognised in the picture already."

    (piece,) = await process.pieces(write(scan("", text)), "pdf")

    assert (piece.page, piece.text) == (2, text)


@pytest.mark.parametrize(
    "content",
    [
        pdf(""),
        pdf_of(b"10 10 m 50 50 l S"),
        locked_pdf(),
        b"%PDF-1.7",
        b"%PDF-1.7\n" + b"garbage " * 100,
        raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[2 0 R]>>"]),
        raw_pdf([b"<</Type/Catalog/Pages 1 0 R>>"]),
        b"%PDF-1.7\n1 0 obj\n" + b"[" * 1_000_000,
    ],
    ids=["blank", "drawing", "locked", "head", "garbage", "circle", "catalogue", "nested"],
)
async def test_pdfs_that_cannot_be_read(
    process: ProcessExtractor, write: Callable[[bytes], Path], content: bytes
) -> None:
    assert await refused(process, write(content), "pdf") == {UNREADABLE}


async def test_one_broken_page_does_not_spoil_the_others(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    content = long_pdf(3).replace(b"6 0 obj\n<</Type/Page/", b"6 0 obj\n<</Type/Xage/")

    assert {piece.page for piece in await process.pieces(write(content), "pdf")} >= {1, 3}


@pytest.mark.parametrize("content", [b"hello", b"", b"GIF89a;%PDF-1.7", b"<script>x</script>" + pdf("hello")])
async def test_what_only_calls_itself_a_pdf_is_refused(
    process: ProcessExtractor, write: Callable[[bytes], Path], content: bytes
) -> None:
    assert await refused(process, write(content), "pdf") == {MISMATCH}


# docx


async def test_a_word_document_is_read(process: ProcessExtractor, write: Callable[[bytes], Path]) -> None:
    text = await text_of(process, write(word("Mitochondria make ATP.", "The end.")), "docx")

    assert text == "Mitochondria make ATP.\n\nThe end."


async def test_a_word_document_may_not_be_dangerous(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    file = write(word(parts={"word/vbaProject.bin": b"macro"}))

    assert await refused(process, file, "docx") == {UNREADABLE}
    assert await refused(process, write(zipped([("hello.txt", b"hello")])), "docx") == {MISMATCH}


# what a document may cost


async def test_reading_for_too_long_is_given_up(write: Callable[[bytes], Path]) -> None:
    file = write(b"Words and words. " * 400_000)
    start = time.monotonic()

    assert await refused(ProcessExtractor(timeout_s=0.05), file, "txt") == {UNREADABLE}
    assert time.monotonic() - start < 4


async def test_eating_memory_harms_nobody(write: Callable[[bytes], Path]) -> None:
    file = write(b"word " * 12_000_000)

    assert await refused(ProcessExtractor(memory_mb=200), file, "txt") == {UNREADABLE}


async def test_a_page_that_unpacks_without_end_is_bounded(write: Callable[[bytes], Path]) -> None:
    with pytest.raises(BadFile, match=UNREADABLE):
        await ProcessExtractor(memory_mb=300).check(write(pdf_bomb(500)), "pdf")


async def test_no_process_is_no_fault_of_the_document(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(ExtractionUnavailable):
            await process.check(Path("/dev/null"), "txt")
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await text_of(process, write(b"Hello."), "txt") == "Hello."


async def test_a_long_reading_keeps_nobody_from_uploading(
    tmp_path: Path, write: Callable[[bytes], Path]
) -> None:
    extractor = ProcessExtractor()
    os.mkfifo(tmp_path / "silent")  # nobody ever writes into it
    readings = [asyncio.create_task(extractor.pieces(tmp_path / "silent", "txt")) for _ in range(9)]
    try:
        async with asyncio.timeout(20):
            await extractor.check(write(b"Hello."), "txt")
    finally:
        for reading in readings:
            reading.cancel()
        await asyncio.wait(readings)


@pytest.mark.parametrize("ask", ["check", "pieces"])
async def test_a_child_stands_behind_whoever_started_it(tmp_path: Path, ask: str) -> None:
    os.mkfifo(tmp_path / "silent")
    asking = asyncio.create_task(getattr(ProcessExtractor(), ask)(tmp_path / "silent", "txt"))
    try:
        async with asyncio.timeout(20):
            lowest = min(19, os.getpriority(os.PRIO_PROCESS, 0) + BEHIND)
            while priorities() != [lowest]:  # noqa: ASYNC110 (what is waited for has no event)
                await asyncio.sleep(0.01)
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def test_a_cancelled_reader_leaves_no_process(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"word " * 1_000_000)
    reading = asyncio.create_task(ProcessExtractor().pieces(file, "txt"))
    await asyncio.sleep(0.03)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not children()


async def test_who_has_heard_enough_leaves_no_process(write: Callable[[bytes], Path]) -> None:
    def enough(done: int, total: int) -> None:
        raise InterruptedError

    file = write(pdf(*["word " * 200] * 50))
    with pytest.raises(InterruptedError):
        await ProcessExtractor().pieces(file, "pdf", enough)
    assert not children()


def children() -> list[int]:
    """The processes that read for us just now."""
    lists = [file.read_text() for file in Path("/proc/self/task").glob("*/children")]
    ours = [int(pid) for pids in lists for pid in pids.split()]
    return [pid for pid in ours if b"adapters.extraction.child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def priorities() -> list[int]:
    return [os.getpriority(os.PRIO_PROCESS, pid) for pid in children()]


async def child_that_reads(file: Path) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "adapters.extraction.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(formats.__file__).parents[2])},
    )
    assert child.stdin
    limits = Limits(pages=9, archive_ratio=9, archive_mb=9)
    request = Request(str(file), "txt", check_only=False, limits=limits, memory_mb=512, seconds=60)
    child.stdin.write(ENCODER.encode(request) + b"\n")
    return child


async def test_the_reader_leaves_with_whoever_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silent")  # nobody ever writes into it
    child = await child_that_reads(tmp_path / "silent")
    assert child.stdin
    await asyncio.sleep(0.3)

    child.stdin.close()

    async with asyncio.timeout(5):
        assert await child.wait() != 0


async def test_what_the_reader_says(write: Callable[[bytes], Path]) -> None:
    child = await child_that_reads(write(b"Hello."))
    assert child.stdout

    said: list[Line] = [LINES.decode(line) for line in (await child.stdout.read()).splitlines()]

    assert said == [Found(Piece(None, 0, 6, "", "Hello.")), PagesRead(1, 1), Done()]
    assert not isinstance(said[-1], Refusal)
    assert await child.wait() == 0
