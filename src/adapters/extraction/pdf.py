"""Reading PDFs, page by page."""

import re
from collections.abc import Iterator
from pathlib import Path

from pypdfium2 import PdfDocument, PdfiumError, PdfPage
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from adapters.extraction.reading import Limits, Refused, Sheet, Why, clean

HEAD = 1024
STAMP = 40  # characters; what a scanning app prints on its pictures is shorter
COVERS = 0.5  # of the page: so large is a scan, and no figure beside a text
FORMS_DEEP = 4  # how far pictures may be nested

_BROKEN_HYPHEN = re.compile("[\x02\ufffe\u00ad]\r?\n")
_BLANKS = b"\x00\t\n\x0c\r \xef\xbb\xbf"


def read(file: Path, limits: Limits) -> Iterator[Sheet]:
    """Raises Refused. A broken page is an empty one and does not spoil the others."""
    with file.open("rb") as content:
        # Some allow anything in front; so does a file that wants to be two things at once.
        if not content.read(HEAD).lstrip(_BLANKS).startswith(b"%PDF-"):
            raise Refused(Why.MISMATCH)
    try:
        document = PdfDocument(file)
        count = len(document)
    except PdfiumError as error:
        raise Refused(Why.UNREADABLE) from error
    if count > limits.pages:
        raise Refused(Why.TOO_LONG)
    for index in range(count):
        try:
            text, scanned = _page(document[index])
        except PdfiumError:
            text, scanned = "", False
        yield Sheet(index + 1, count, text, scanned)


def _page(page: PdfPage) -> tuple[str, bool]:
    textpage = page.get_textpage()
    text = clean(_BROKEN_HYPHEN.sub("", textpage.get_text_bounded()))
    said = len(text.strip())
    scanned = said < STAMP and _has_picture(page, COVERS if said else 0)
    textpage.close()
    page.close()
    return text, scanned


def _has_picture(page: PdfPage, covers: float) -> bool:
    """Whether a picture takes at least so much of the page."""
    width, height = page.get_size()
    for picture in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=FORMS_DEEP):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) >= covers * width * height:
            return True
    return False
