"""What every Extractor promises. The fake reads plain text only; the real one is asked about every format."""

import asyncio
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from fpdf import FPDF

from adapters.extraction import formats
from adapters.extraction.extractor import ProcessExtractor
from application.ports.extraction import Extractor, Page
from domain.document import BadFile
from tests.fakes.extraction import FakeExtractor

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
MISMATCH = "File content does not match its type"
UNREADABLE = "Document cannot be read"


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
    """What `pages` and `check` say."""
    said = set()
    for ask in (extractor.pages, extractor.check):
        with pytest.raises(BadFile) as caught:
            await ask(file, extension)
        said.add(caught.value.msg)
    return said


@pytest.mark.parametrize("extension", ["txt", "md"])
@pytest.mark.parametrize("text", ["Hello.", "# Überschrift\n\nGrüße, 世界 🎓\n"])
async def test_text_is_read(
    extractor: Extractor, write: Callable[[bytes], Path], extension: str, text: str
) -> None:
    file = write(text.encode())

    await extractor.check(file, extension)
    assert await extractor.pages(file, extension) == [Page(None, text)]


async def test_a_byte_order_mark_is_no_text(extractor: Extractor, write: Callable[[bytes], Path]) -> None:
    assert await extractor.pages(write(b"\xef\xbb\xbfHello."), "txt") == [Page(None, "Hello.")]


async def test_bytes_that_are_no_text_are_refused(
    extractor: Extractor, write: Callable[[bytes], Path]
) -> None:
    assert await refused(extractor, write(bytes(range(256)) * 20), "txt") == {MISMATCH}


async def test_blanks_alone_cannot_be_read(extractor: Extractor, write: Callable[[bytes], Path]) -> None:
    assert await refused(extractor, write(b" \n\t\n"), "md") == {UNREADABLE}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_utf_16_is_text(
    process: ProcessExtractor, write: Callable[[bytes], Path], encoding: str
) -> None:
    text = "Hello world, this is plain text.\nÄÖÜ"

    assert await process.pages(write(text.encode(encoding)), "txt") == [Page(None, text)]


async def test_legacy_encodings_are_recognised(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    text = "Schöne Grüße aus München, wo die Straßen größer wirken als früher. " * 3

    ((page),) = await process.pages(write(text.encode("cp1252")), "txt")

    assert page.text == text


@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\xff\xd8\xff\xe0"])
async def test_other_formats_are_not_text(
    process: ProcessExtractor, write: Callable[[bytes], Path], start: bytes
) -> None:
    assert await refused(process, write(start + b"plain enough otherwise"), "txt") == {MISMATCH}


async def test_line_ends_and_controls_are_made_plain(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    text = "one\r\ntwo\rthree\x0cfour" + " and so on" * 60 + "\x01"

    ((page),) = await process.pages(write(text.encode()), "txt")

    assert page.text.startswith("one\ntwo\nthree\n\nfour and")
    assert "\x01" not in page.text


async def test_the_pages_of_a_pdf_are_kept_apart(process: ProcessExtractor) -> None:
    pages = await process.pages(SAMPLES / "ocean-science.pdf", "pdf")

    assert [page.number for page in pages] == [1, 2, 3, 4, 5, 6, 7]
    assert "10,935 metres" in pages[4].text
    assert "\r" not in "".join(page.text for page in pages)


async def test_a_pdf_may_not_have_too_many_pages() -> None:
    extractor = ProcessExtractor(max_pages=6)

    said = await refused(extractor, SAMPLES / "ocean-science.pdf", "pdf")

    assert said == {"Document has too many pages (max 6)"}


async def test_a_pdf_without_text_cannot_be_read(process: ProcessExtractor, tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.line(10, 10, 50, 50)
    pdf.output(str(tmp_path / "scan.pdf"))

    assert await refused(process, tmp_path / "scan.pdf", "pdf") == {UNREADABLE}


async def test_a_pdf_behind_a_password_cannot_be_read(process: ProcessExtractor, tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="secret")
    pdf.add_page()
    pdf.set_font("Helvetica")
    pdf.cell(text="hidden")
    pdf.output(str(tmp_path / "locked.pdf"))

    assert await refused(process, tmp_path / "locked.pdf", "pdf") == {UNREADABLE}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", MISMATCH), (b"%PDF-1.7 and then nothing of it", UNREADABLE), (b"", MISMATCH)],
)
async def test_what_only_calls_itself_a_pdf_is_refused(
    process: ProcessExtractor, write: Callable[[bytes], Path], content: bytes, said: str
) -> None:
    assert await refused(process, write(content), "pdf") == {said}


async def test_a_docx_gives_headings_paragraphs_and_rows_in_order(
    process: ProcessExtractor, tmp_path: Path
) -> None:
    document = docx.Document()
    document.add_heading("Energy", 1)
    document.add_paragraph("Mitochondria make ATP.")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Part", "Share"), ("Quiz", "20 %"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.add_paragraph("The end.")
    document.save(str(tmp_path / "a.docx"))

    await process.check(tmp_path / "a.docx", "docx")
    (page,) = await process.pages(tmp_path / "a.docx", "docx")

    assert page == Page(None, "Energy\n\nMitochondria make ATP.\n\nPart | Share\nQuiz | 20 %\n\nThe end.")


def archive(file: Path, entries: dict[str, bytes]) -> Path:
    document = docx.Document()
    document.add_paragraph("Hello.")
    document.save(str(file))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries.items():
            package.writestr(name, content)
    return file


@pytest.mark.parametrize(
    "entries",
    [
        {"word/vbaProject.bin": b"macro"},
        {"word/media/bomb.xml": b"\x00" * 30_000_000},
        {f"word/media/{n}.xml": b"" for n in range(5001)},
    ],
    ids=["macros", "bomb", "too many entries"],
)
async def test_dangerous_archives_are_refused_unopened(
    process: ProcessExtractor, tmp_path: Path, entries: dict[str, bytes]
) -> None:
    assert await refused(process, archive(tmp_path / "a.docx", entries), "docx") == {UNREADABLE}


async def test_an_encrypted_docx_cannot_be_read(
    process: ProcessExtractor, write: Callable[[bytes], Path]
) -> None:
    wrapped = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 2000

    assert await refused(process, write(wrapped), "docx") == {UNREADABLE}


async def test_another_archive_is_no_docx(process: ProcessExtractor, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as package:
        package.writestr("hello.txt", "hello")

    assert await refused(process, tmp_path / "a.zip", "docx") == {MISMATCH}


async def test_reading_for_too_long_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes("Wörter über Wörter. ".encode("cp1252") * 400_000)
    extractor = ProcessExtractor(timeout_s=0.05)
    start = time.monotonic()

    with pytest.raises(BadFile, match=UNREADABLE):
        await extractor.pages(file, "txt")

    assert time.monotonic() - start < 2


async def test_eating_memory_harms_nobody(tmp_path: Path) -> None:
    file = tmp_path / "large.txt"
    file.write_bytes(b"word " * 12_000_000)

    with pytest.raises(BadFile, match=UNREADABLE):
        await ProcessExtractor(memory_mb=200).pages(file, "txt")


async def test_a_cancelled_reader_leaves_no_process(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"word " * 1_000_000)
    reading = asyncio.create_task(ProcessExtractor().pages(file, "txt"))
    await asyncio.sleep(0.03)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not any("adapters.extraction.child" in line for line in command_lines_of_children())


def command_lines_of_children() -> list[str]:
    lists = [file.read_text() for file in Path("/proc/self/task").glob("*/children")]
    return [
        Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pids in lists for pid in pids.split()
    ]


async def test_the_reader_leaves_with_whoever_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silent")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "adapters.extraction.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(formats.__file__).parents[2])},
    )
    assert child.stdin
    request = {
        "task": "pages",
        "file": str(tmp_path / "silent"),  # nobody ever writes into it
        "extension": "txt",
        "limits": {"pages": 1, "archive_ratio": 1, "archive_mb": 1},
        "memory_mb": 512,
        "seconds": 60,
    }
    child.stdin.write(json.dumps(request).encode() + b"\n")
    await asyncio.sleep(0.3)

    child.stdin.close()

    async with asyncio.timeout(5):
        assert await child.wait() != 0
