"""PDF files of plain text, English and Chinese, with no font in them: readers bring Helvetica and a Chinese
one, and know the characters without either."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 595, 842  # A4, in points
LEFT, TOP = 60, 780
_PIECE = re.compile(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef]+|\s+")
_NEVER_FIRST = "，。、；：？！）》”"

FONTS = (
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H "
    "/DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /W [1 95 500] "
    "/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> "
    "/FontDescriptor << /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /ItalicAngle 0 "
    "/FontBBox [-25 -254 1000 880] /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >> >>] >>",
)


@dataclass(frozen=True)
class Text:
    """One line; `left` and `down` are points from the page's upper left corner."""

    left: float
    down: float
    size: float
    text: str


def wrapped(text: str, room: float) -> list[str]:
    """Lines of at most `room` ems, broken at blanks and between Chinese characters."""
    lines = [""]
    for piece in _PIECE.findall(text):
        if ems(lines[-1]) + ems(piece.rstrip()) > room and piece not in _NEVER_FIRST:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line for line in lines if line]


def ems(text: str) -> float:
    """About as wide as the text will be."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.5 for c in text)


def pdf(pages: Sequence[Iterable[Text]]) -> bytes:
    """A document with these pages."""
    first = 3 + len(FONTS)  # before it: the catalogue, the list of pages, the fonts
    kids = " ".join(f"{first + 2 * n} 0 R" for n in range(len(pages)))
    resources = " ".join(f"/F{n} {2 + n} 0 R" for n in range(1, 1 + len(FONTS)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] /MediaBox [0 0 {WIDTH} {HEIGHT}] "
        f"/Resources << /Font << {resources} >> >> >>",
        *FONTS,
    ]
    for n, page in enumerate(pages):
        content = "\n".join(_drawn(line) for line in page)
        objects.append(f"<< /Type /Page /Parent 2 0 R /Contents {first + 2 * n + 1} 0 R >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return _assembled(objects)


def _drawn(line: Text) -> str:
    if line.text.isascii():
        font, shown = 1, line.text.encode("ascii")
    else:  # a reader without the font overlooks a lone character with no blank behind it
        font, shown = 2, line.text.ljust(2).encode("utf-16-be")
    return f"BT {LEFT + line.left} {TOP - line.down} Td /F{font} {line.size} Tf <{shown.hex()}> Tj ET"


def _assembled(objects: Sequence[str]) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("ascii")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return out + (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode("ascii")
