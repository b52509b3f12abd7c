"""Documents for tests, good and evil, made on the spot."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence

import docx
from fpdf import FPDF

from tests.images import a_jpeg

MB = 1024 * 1024
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(*texts: str) -> bytes:
    """A page for each text."""
    paper = FPDF()
    paper.set_font("Helvetica")
    for text in texts:
        paper.add_page()
        paper.multi_cell(0, text=text)
    return bytes(paper.output())


def scan(*stamps: str) -> bytes:
    """A page that is one picture for each stamp, which stands at its foot as text."""
    paper = FPDF()
    paper.set_font("Helvetica")
    for stamp in stamps:
        paper.add_page()
        paper.image(io.BytesIO(a_jpeg((200, 280))), 0, 0, paper.w, paper.h)
        if stamp:
            paper.text(10, 290, stamp)
    return bytes(paper.output())


def locked_pdf() -> bytes:
    """Nobody reads it without a password."""
    paper = FPDF()
    paper.set_encryption(owner_password="owner", user_password="secret")
    paper.add_page()
    paper.set_font("Helvetica")
    paper.cell(text="hidden")
    return bytes(paper.output())


def raw_pdf(objects: Iterable[bytes]) -> bytes:
    """The first object is the catalogue."""
    content = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    at = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, at)
    return bytes(content)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    return b"<</Length %d/Filter/FlateDecode%b>>stream\n%b\nendstream" % (len(packed), entries, packed)


def pdf_of(content: bytes, pages: int = 1, resources: bytes = b"") -> bytes:
    """Many pages that all show the same packed stream."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources 3 0 R>>"
    font = b"<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>%b>>" % resources
    tree = b"<</Type/Pages/Count %d/Kids[%b]>>" % (pages, kids)
    return raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", tree, font, stream(content), *[page] * pages])


def pdf_bomb(megabytes: int) -> bytes:
    """Of a page whose drawing is packed three times over, into a few hundred bytes."""
    packer = zlib.compressobj(9)
    once = b"".join(packer.compress(b" " * MB) for _ in range(megabytes)) + packer.flush()
    twice = zlib.compress(zlib.compress(once, 9), 9)
    filters = b"<</Length %d/Filter[/FlateDecode/FlateDecode/FlateDecode]>>" % len(twice)
    return raw_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 1/Kids[4 0 R]>>",
            filters + b"stream\n" + twice + b"\nendstream",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 3 0 R>>",
        ]
    )


def long_pdf(pages: int) -> bytes:
    return pdf_of(b"BT /F 12 Tf 50 700 Td (The nucleus holds the DNA.) Tj ET", pages)


def word(*paragraphs: str, parts: Mapping[str, bytes] | None = None) -> bytes:
    """A Word file; `parts` are further files in its archive."""
    paper = docx.Document()
    for text in paragraphs or ("The ribosome makes proteins.",):
        paper.add_paragraph(text)
    paper.save(content := io.BytesIO())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, part in (parts or {}).items():
            archive.writestr(name, part)
    return content.getvalue()


def word_with(changes: Mapping[str, bytes]) -> bytes:
    """A Word file in whose archive these files are others."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as evil:
        for name in good.namelist():
            evil.writestr(name, changes.get(name, good.read(name)))
    return out.getvalue()


def word_of(body: str, doctype: str = "") -> bytes:
    """A Word file with this XML as its body."""
    spaces = (
        f'xmlns:w="{W}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    )
    text = f'<?xml version="1.0"?>{doctype}<w:document {spaces}><w:body>{body}</w:body></w:document>'
    return word_with({"word/document.xml": text.encode()})


def paragraph(text: str, properties: str = "") -> str:
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def zipped(entries: Sequence[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def marked_encrypted(archive: bytes) -> bytes:
    """With every entry of its directory marked as encrypted."""
    data = bytearray(archive)
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        (flags,) = struct.unpack_from("<H", data, at + 8)
        struct.pack_into("<H", data, at + 8, flags | 1)
        at += 4
    return bytes(data)


def understating(archive: bytes, name: str) -> bytes:
    """Its directory says that this entry is small when unpacked."""
    data = bytearray(archive)
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(name.encode()))
    struct.pack_into("<I", data, at + 24, 100)
    return bytes(data)
