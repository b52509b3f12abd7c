"""The documents the questions are about. They lie here as text, `NAME.EXTENSION.md`, with their headings,
lists, tables and (`<page>`) pages; `build` makes them what their extension says."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import docx

from bench.retrieval.pdf import Text, ems, pdf, wrapped

FOLDER = Path(__file__).with_name("documents")
PAGE = "<page>"
BODY, LEADING = 10.5, 15.0
LINE = 44  # ems
COLUMNS = 80
GAP = 1.5  # ems between two columns of a table


class Kind(Enum):
    TITLE = "# "
    HEADING = "## "
    ITEM = "- "
    ROW = "| "
    TEXT = ""


@dataclass(frozen=True)
class Block:
    kind: Kind
    text: str

    @property
    def cells(self) -> list[str]:
        return [cell.strip() for cell in self.text.strip("| ").split("|")]


@dataclass(frozen=True)
class Source:
    name: str  # with the extension it gets
    text: str

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def pages(self) -> list[str]:
        return self.text.split(PAGE)

    def page(self, number: int | None) -> str:
        """The text of that page; all of it where the format has none."""
        return self.text if number is None else self.pages[number - 1]

    def build(self, folder: Path) -> Path:
        made = folder / self.name
        match self.extension:
            case "pdf":
                made.write_bytes(_pdf(self))
            case "docx":
                _write_docx(self, made)
            case "txt":
                made.write_text(_plain(self), encoding="utf-8")
            case _:
                made.write_text(self.text, encoding="utf-8")
        return made


def sources() -> list[Source]:
    files = sorted(FOLDER.glob("*.md"))
    return [Source(file.name.removesuffix(".md"), file.read_text(encoding="utf-8")) for file in files]


def blocks(text: str) -> Iterator[Block]:
    for line in text.splitlines():
        if line and not line.startswith("| ---"):
            kind = next(kind for kind in Kind if line.startswith(kind.value))
            yield Block(kind, line if kind is Kind.ROW else line.removeprefix(kind.value))


def tables(given: Iterator[Block]) -> Iterator[list[Block]]:
    """The blocks one by one, the rows of a table together."""
    table: list[Block] = []
    for block in given:
        if block.kind is Kind.ROW:
            table.append(block)
            continue
        if table:
            yield table
            table = []
        yield [block]
    if table:
        yield table


def _plain(source: Source) -> str:
    """Like a letter: wrapped lines, a blank one between paragraphs."""
    chinese = ems(source.text) > 0.7 * len(source.text)
    shown = [
        block.text if chinese or block.kind is not Kind.TEXT else textwrap.fill(block.text, COLUMNS)
        for block in blocks(source.text)
    ]
    return "\n\n".join(shown) + "\n"


def _write_docx(source: Source, made: Path) -> None:
    document = docx.Document()
    for group in tables(blocks(source.text)):
        match group[0].kind:
            case Kind.TITLE:
                document.add_heading(group[0].text, 0)
            case Kind.HEADING:
                document.add_heading(group[0].text, 1)
            case Kind.ITEM:
                document.add_paragraph(group[0].text, "List Bullet")
            case Kind.TEXT:
                document.add_paragraph(group[0].text)
            case Kind.ROW:
                table = document.add_table(0, len(group[0].cells))
                for row in group:
                    for cell, text in zip(table.add_row().cells, row.cells, strict=True):
                        cell.text = text
    document.save(str(made))


def _pdf(source: Source) -> bytes:
    title = source.text.splitlines()[0].strip("# ")
    return pdf([list(_page(text, f"{title} - {n}")) for n, text in enumerate(source.pages, 1)])


def _page(text: str, foot: str) -> Iterator[Text]:
    down = 0.0
    for group in tables(blocks(text)):
        match group[0].kind:
            case Kind.TITLE:
                yield Text(0, down, 17, group[0].text)
                down += 32
            case Kind.HEADING:
                yield Text(0, down, 13, group[0].text)
                down += 24
            case Kind.ROW:
                yield from _table(group, down)
                down += LEADING * (len(group) + 1)
            case kind:
                item = kind is Kind.ITEM
                for n, line in enumerate(wrapped(group[0].text, LINE - 2 * item)):
                    yield Text(15 * item, down, BODY, f"- {line}" if item and n == 0 else line)
                    down += LEADING
                down += 0 if item else LEADING / 2
    yield Text(0, 730, 9, foot)


def _table(rows: list[Block], down: float) -> Iterator[Text]:
    columns = zip(*(row.cells for row in rows), strict=True)
    widths = [max(ems(cell) for cell in column) + GAP for column in columns]
    for n, row in enumerate(rows):
        left = 0.0
        for cell, width in zip(row.cells, widths, strict=True):
            yield Text(left * BODY, down + n * LEADING, BODY, cell)
            left += width
