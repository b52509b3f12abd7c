"""Reading documents. Runs in the extraction child only: what is read here was sent by strangers."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from domain.text import storable

MISMATCH = "File content does not match its type"
UNREADABLE = "Document cannot be read"
ENTRIES_MAX = 5000
TEXT_MAX = 40_000_000  # characters; no book has as many
CONTROLS_MAX = 0.003  # the share of control characters that a text may hold

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what encrypted Office files are wrapped in
_BINARY = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"ID3\x03",
    b"RIFF",
    _OLE,
)
_MACROS = re.compile(r"vbaProject|vbaData|macrosheets|\.bin\Z(?<!printerSettings1\.bin)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_BROKEN_HYPHEN = re.compile("[\x02\ufffe\u00ad]\r?\n")


class Refused(Exception):
    """Not a document we can read; the message is for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Limits:
    pages: int
    archive_ratio: int
    archive_mb: int


Numbered = tuple[int | None, str]


def pages(file: Path, extension: str, limits: Limits) -> list[Numbered]:
    """The text page by page. Raises Refused."""
    found = list(_reader(file, extension, limits))
    if not any(text.strip() for _, text in found):
        raise Refused(UNREADABLE)
    return found


def check(file: Path, extension: str, limits: Limits) -> None:
    """As `pages`, but stops at the first page with text on it. Raises Refused."""
    if not any(text.strip() for _, text in _reader(file, extension, limits)):
        raise Refused(UNREADABLE)


def _reader(file: Path, extension: str, limits: Limits) -> Iterator[Numbered]:
    if extension == "pdf":
        return _pdf(file, limits)
    if extension == "docx":
        return _docx(file, limits)
    return _text(file)


def _pdf(file: Path, limits: Limits) -> Iterator[Numbered]:
    with file.open("rb") as content:
        if b"%PDF-" not in content.read(1024):
            raise Refused(MISMATCH)
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file)
        count = len(document)
    except pypdfium2.PdfiumError as error:
        raise Refused(UNREADABLE) from error
    if count > limits.pages:
        raise Refused(f"Document has too many pages (max {limits.pages})")
    characters = 0
    for index in range(count):
        try:
            page = document[index]
            text = page.get_textpage().get_text_bounded()
            page.close()
        except pypdfium2.PdfiumError:
            text = ""  # one broken page does not spoil the others
        text = clean(_BROKEN_HYPHEN.sub("", text))
        characters += len(text)
        if characters > TEXT_MAX:
            raise Refused(UNREADABLE)
        yield index + 1, text


def _docx(file: Path, limits: Limits) -> Iterator[Numbered]:
    _check_archive(file, limits)
    import docx
    from docx.opc.exceptions import OpcError
    from docx.table import Table
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        document = docx.Document(str(file))
        blocks = [
            _table(block) if isinstance(block, Table) else block.text
            for block in document.iter_inner_content()
        ]
    except (
        OpcError,
        LxmlError,
        KeyError,
        ValueError,
        AttributeError,
        zipfile.BadZipFile,
        RecursionError,
    ) as error:
        raise Refused(UNREADABLE) from error
    text = clean("\n\n".join(block for block in blocks if block.strip()))
    if len(text) > TEXT_MAX:
        raise Refused(UNREADABLE)
    yield None, text


def _table(table: "object") -> str:
    rows: list[str] = []
    for row in table.rows:  # type: ignore[attr-defined]
        cells = list({id(cell._tc): cell.text.strip().replace("\n", " ") for cell in row.cells}.values())  # noqa: SLF001
        rows.append(" | ".join(cell for cell in cells if cell))
    return "\n".join(row for row in rows if row)


def _check_archive(file: Path, limits: Limits) -> None:
    """Everything that can be told from the directory of the archive, before anything in it is unpacked."""
    size = file.stat().st_size
    with file.open("rb") as content:
        start = content.read(8)
    if start == _OLE:
        raise Refused(UNREADABLE)
    if not start.startswith(b"PK\x03\x04"):
        raise Refused(MISMATCH)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(UNREADABLE) from error
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" not in names or "word/document.xml" not in names:
        raise Refused(MISMATCH)
    unpacked = sum(entry.file_size for entry in entries)
    refused = (
        len(entries) > ENTRIES_MAX
        or len(names) != len(entries)
        or unpacked > limits.archive_mb * 1024 * 1024
        or unpacked > limits.archive_ratio * max(1, size)
        or any(entry.flag_bits & 0x1 for entry in entries)
        or any(_MACROS.search(name) for name in names)
    )
    if refused:
        raise Refused(UNREADABLE)


def _text(file: Path) -> Iterator[Numbered]:
    data = file.read_bytes()
    if data.startswith(_BINARY):
        raise Refused(MISMATCH)
    text = _decoded(data)
    if "\x00" in text or len(_CONTROL.findall(text)) > CONTROLS_MAX * len(text):
        raise Refused(MISMATCH)
    yield None, clean(text)


def _decoded(data: bytes) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _strictly(data, encoding)
    if b"\x00" in data[:4096]:  # only UTF-16 has a reason for it
        half = len(data[:4096]) // 2
        low, high = data[1:4096:2].count(0), data[0:4096:2].count(0)
        if max(low, high) < 0.3 * half or min(low, high) > 0.05 * half:
            raise Refused(MISMATCH)
        return _strictly(data, "utf-16-le" if low > high else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _legacy(data)


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(MISMATCH) from error


def _legacy(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:262_144]).best()
    if best is None:
        raise Refused(MISMATCH)
    return data.decode(best.encoding, "replace")


def clean(text: str) -> str:
    """Line ends made one kind, no control characters, nothing that a database cannot keep."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n\n").replace("\x0b", "\n")
    return storable(_CONTROL.sub(" ", text.replace("\ufeff", "")))
