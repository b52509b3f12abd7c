"""Reading Word documents: what a reader sees of the body, in its order, as Markdown where that says more than
bare words. Headers, footers, tables of contents and deleted text are left out; notes come last."""

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docx import Document
from docx.opc.exceptions import OpcError
from docx.opc.part import Part, XmlPart
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from lxml.etree import LxmlError  # type: ignore[import-untyped]  # untyped in lxml

from adapters.extraction.archive import check_archive
from adapters.extraction.reading import Limits, Refused, Sheet, Why, clean
from adapters.extraction.word_styles import Lists, Styles

Element = Any  # of lxml, which has no types

_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_OLD_FORM = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TEXT = {qn("w:t"), _MATHS}
_SIGNS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_BOX = qn("w:txbxContent")
_UNSEEN = {qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:rt"), _OLD_FORM, _BOX}
_WRAPPERS = {qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml"), qn("w:ins"), qn("w:moveTo")}
_ACTIVE = ("vbaproject", "macroenabled", "activex")


def read(file: Path, limits: Limits) -> Iterator[Sheet]:
    """Raises Refused. Word decides only when it prints where a page ends, so there is one sheet."""
    check_archive(file, limits)
    try:
        text = _text(Document(str(file)).part)
    except (
        OpcError,
        LxmlError,
        KeyError,
        ValueError,
        AttributeError,
        NotImplementedError,
        zipfile.BadZipFile,
        RecursionError,
    ) as error:
        raise Refused(Why.UNREADABLE) from error
    yield Sheet(None, 1, clean(text))


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    item: bool = False


def _text(main: Part) -> str:
    roots = {_name_of(part): _root(part) for part in _parts(main)}
    body = _Body(Styles(roots.get("styles")), Lists(roots.get("numbering")))
    blocks = [block for found in roots["document"].iterfind(qn("w:body")) for block in body.blocks(found)]
    for notes in ("footnotes", "endnotes"):
        for note in roots.get(notes, ()):
            if qn("w:type") not in note.attrib:  # others are the lines above the notes
                blocks += body.blocks(note)
    return _joined(blocks)


def _parts(main: Part) -> Iterator[Part]:
    yield main
    for relation in main.rels.values():
        if relation.is_external:
            continue
        part = relation.target_part
        if any(word in part.content_type.lower() for word in _ACTIVE):
            raise Refused(Why.UNREADABLE)
        if _name_of(part) in ("styles", "numbering", "footnotes", "endnotes"):
            yield part


def _name_of(part: Part) -> str:
    """`styles` of `application/….styles+xml`."""
    name = part.content_type.rpartition(".")[2].removesuffix("+xml")
    return "document" if name == "main" else name


def _root(part: Part) -> Element:
    root: Element = part.element if isinstance(part, XmlPart) else parse_xml(part.blob)
    if root.getroottree().docinfo.doctype:  # the standard allows none, and only an attacker has a use for it
        raise Refused(Why.UNREADABLE)
    return root


def _joined(blocks: Iterable[_Block]) -> str:
    parts: list[str] = []
    after_item = False
    for block in blocks:
        if block.text:
            if parts:
                parts.append("\n" if block.item and after_item else "\n\n")
            parts.append(block.text)
            after_item = block.item
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Body:
    styles: Styles
    lists: Lists

    def blocks(self, container: Element) -> Iterator[_Block]:
        for child in _inside(container):
            if child.tag == qn("w:p"):
                yield from self._paragraph(child)
            elif child.tag == qn("w:tbl"):
                yield _Block(self._table(child))

    def _paragraph(self, paragraph: Element) -> Iterator[_Block]:
        if not self.styles.is_contents(paragraph):
            yield self._block(paragraph, "".join(_pieces(paragraph)).strip())
        for box in paragraph.iter(_BOX):
            # of the two forms in which newer Word writes a box the one, and each by its own paragraph
            if next(box.iterancestors(qn("w:p"), _OLD_FORM)) is paragraph:
                yield from self.blocks(box)

    def _block(self, paragraph: Element, text: str) -> _Block:
        if level := self.styles.heading_level(paragraph):
            return _Block(f"{'#' * level} {' '.join(text.split())}" if text else "")
        mark = self.lists.mark(*self.styles.list_of(paragraph)) if text else ""
        return _Block(f"{mark} {text}" if mark else text, item=bool(mark))

    def _table(self, table: Element) -> str:
        rows = (self._row(row) for row in _inside(table) if row.tag == qn("w:tr"))
        return "\n".join(row for row in rows if row)

    def _row(self, row: Element) -> str:
        cells = (self._cell(cell) for cell in _inside(row) if cell.tag == qn("w:tc"))
        return " | ".join(cell for cell in cells if cell)

    def _cell(self, cell: Element) -> str:
        return " ".join(" ".join(block.text for block in self.blocks(cell)).split())


def _inside(container: Element) -> Iterator[Element]:
    """What it holds, whatever else is wrapped around it."""
    for child in container:
        if child.tag in _WRAPPERS:
            yield from _inside(child)
        else:
            yield child


def _pieces(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag in _TEXT:
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag not in _UNSEEN:
            yield from _pieces(child)
