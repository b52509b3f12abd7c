"""What is read of a Word document, and how it looks."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from adapters.extraction.formats import sheets
from adapters.extraction.reading import Limits, Refused, Why
from tests.documents import (
    marked_encrypted,
    paragraph,
    pdf,
    understating,
    word,
    word_of,
    word_with,
    zipped,
)

LIMITS = Limits(pages=10, archive_ratio=100, archive_mb=20)

Read = Callable[[bytes], str]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def text_of(content: bytes) -> str:
        file = tmp_path / "a"
        file.write_bytes(content)
        (sheet,) = sheets(file, "docx", LIMITS)
        return sheet.text

    return text_of


def saved(paper: "docx.document.Document") -> bytes:
    paper.save(content := io.BytesIO())
    return content.getvalue()


def test_headings_are_headings(read: Read) -> None:
    paper = docx.Document()
    paper.add_heading("Oceans", 0)
    paper.add_heading("Waves", 1)
    paper.add_paragraph("A wave moves energy.")
    paper.add_heading("Long\nwaves", 3)

    assert read(saved(paper)) == "# Oceans\n\n# Waves\n\nA wave moves energy.\n\n### Long waves"


def test_a_heading_by_outline_or_by_a_style_built_upon_another(read: Read) -> None:
    styled = '<w:pStyle w:val="Heading2"/>'
    outlined = '<w:outlineLvl w:val="2"/>'
    text = '<w:pStyle w:val="Heading1"/><w:outlineLvl w:val="9"/>'

    body = paragraph("Two", styled) + paragraph("Three", outlined) + paragraph("Body", text)
    assert read(word_of(body)).startswith("## Two\n\n### Three\n\n")


def test_lists_are_marked_and_counted(read: Read) -> None:
    paper = docx.Document()
    for text in ("salt", "water"):
        paper.add_paragraph(text, "List Bullet")
    paper.add_paragraph("Then:")
    for text in ("heat", "stir"):
        paper.add_paragraph(text, "List Number")

    assert read(saved(paper)) == "- salt\n- water\n\nThen:\n\n1. heat\n2. stir"


def numbered(text: str, list_id: int, level: int = 0) -> str:
    return paragraph(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr>')


def test_letters_and_deeper_levels_begin_again(read: Read) -> None:
    kinds = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{format}"/></w:lvl>'
        for level, format in enumerate(("decimal", "lowerLetter", "lowerRoman"))
    )
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    numbering = (
        f'<w:numbering xmlns:w="{space}"><w:abstractNum w:abstractNumId="7">{kinds}</w:abstractNum>'
        '<w:num w:numId="3"><w:abstractNumId w:val="7"/></w:num></w:numbering>'
    )
    items = (("one", 0), ("a", 1), ("b", 1), ("two", 0), ("again a", 1), ("roman", 2), ("no level", 8))
    body = "".join(numbered(text, 3, level) for text, level in items) + numbered("no list", 99)
    content = word_of(body)

    with_lists = word_with(
        {"word/numbering.xml": numbering.encode(), "word/document.xml": _part(content, "word/document.xml")}
    )
    assert read(with_lists) == ("1. one\na. a\nb. b\n2. two\na. again a\n- roman\n- no level\n\nno list")


def _part(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(name)


def test_tables_are_rows_of_cells(read: Read) -> None:
    paper = docx.Document()
    table = paper.add_table(2, 3)
    for column, text in enumerate(("Part", "Share", "")):
        table.cell(0, column).text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "Quiz,\nat home"
    table.cell(1, 2).add_table(1, 1).cell(0, 0).text = "20 %"

    assert read(saved(paper)) == "Part | Share\nQuiz, at home | 20 %"


def test_what_changed_is_read_as_it_is_now(read: Read) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        "<w:p>"
        + run.format("The cell is ")
        + f"<w:del>{run.format('dead').replace('w:t>', 'w:delText>')}</w:del>"
        + f"<w:ins>{run.format('alive')}</w:ins>"
        + f"<w:moveFrom>{run.format(' gone')}</w:moveFrom>"
        + f"<w:hyperlink>{run.format(' today')}</w:hyperlink></w:p>"
    )

    assert read(word_of(body)) == "The cell is alive today"


def test_wrapped_text_boxes_formulas_and_breaks_are_read(read: Read) -> None:
    box = (
        "<w:p><w:r><w:t>Beside.</w:t></w:r><mc:AlternateContent>"
        f"<mc:Choice><w:txbxContent>{paragraph('In the box.')}</w:txbxContent></mc:Choice>"
        f"<mc:Fallback><w:txbxContent>{paragraph('In the box.')}</w:txbxContent></mc:Fallback>"
        "</mc:AlternateContent></w:p>"
    )
    body = (
        f"<w:sdt><w:sdtContent>{paragraph('Wrapped.')}</w:sdtContent></w:sdt>"
        + box
        + "<w:p><m:oMath><m:r><m:t>E=mc²</m:t></m:r></m:oMath></w:p>"
        + "<w:p><w:r><w:t>one</w:t><w:br/><w:t>two</w:t><w:tab/><w:t>three</w:t></w:r></w:p>"
        + "<w:p><w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt>"
        + "<w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>"
    )

    assert read(word_of(body)) == "Wrapped.\n\nBeside.\n\nIn the box.\n\nE=mc²\n\none\ntwo\tthree\n\n漢"


def test_headers_footers_and_contents_are_left_out(read: Read) -> None:
    paper = docx.Document()
    paper.sections[0].header.paragraphs[0].text = "Course notes"
    paper.sections[0].footer.paragraphs[0].text = "page 1"
    contents = paper.styles.add_style("toc 1", 1)
    paper.add_paragraph("Waves ..... 7", contents)
    paper.add_paragraph("The text.")

    assert read(saved(paper)) == "The text."


def test_a_circle_of_styles_is_walked_once(read: Read) -> None:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    style = (
        '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{0}"/><w:basedOn w:val="{1}"/></w:style>'
    )
    styles = f'<w:styles xmlns:w="{space}">{style.format("A", "B")}{style.format("B", "A")}</w:styles>'
    content = word_of(paragraph("Round and round.", '<w:pStyle w:val="A"/>'))

    circling = {"word/styles.xml": styles.encode(), "word/document.xml": _part(content, "word/document.xml")}
    assert read(word_with(circling)) == "Round and round."


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY e "&b;&b;&b;&b;">]>',
    ],
    ids=["file", "network", "laughs"],
)
def test_a_document_type_is_refused(read: Read, doctype: str) -> None:
    entity = "&e;" if "ENTITY" in doctype else "hello"

    with pytest.raises(Refused):
        read(word_of(f"<w:p><w:r><w:t>{entity}</w:t></w:r></w:p>", doctype))


def test_embedded_objects_are_nothing_bad(read: Read) -> None:
    parts = {
        "word/embeddings/oleObject1.bin": b"a formula",
        "word/embeddings/inner.zip": zipped([("a", b"a")]),
    }

    assert read(word("Hello.", parts=parts)) == "Hello."


MACROS = (
    b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Override PartName="/word/document.xml" '
    b'ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/></Types>'
)
UNREADABLE = {
    "macros": word(parts={"word/vbaProject.bin": b"macro"}),
    "control": word(parts={"word/activeX/activeX1.bin": b"control"}),
    "macro type": word_with({"[Content_Types].xml": MACROS}),
    "bomb": word(parts={"word/media/bomb.xml": bytes(5_000_000)}),
    "large": word(parts={"word/a": bytes(21_000_000), "word/b": bytes(range(256)) * 2000}),
    "lying bomb": understating(word(), "word/document.xml"),
    "too many entries": word(parts={f"word/media/{n}.xml": b"" for n in range(5001)}),
    "encrypted": marked_encrypted(word()),
    "wrapped": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000),
    "broken": word_with({"word/document.xml": b"<w:document"}),
    "nested": word_with({"word/document.xml": b"<a>" * 100_000}),
    "relations": word_with({"word/_rels/document.xml.rels": b"<"}),
    "blank": word(" "),
    "cut": word()[:-200],
}
OTHERS = {
    "archive": zipped([("hello.txt", b"hello")]),
    "text": b"hello",
    "nothing": b"",
    "pdf in front": pdf("x") + word(),
    "program in front": b"MZ" + word(),
}


@pytest.mark.parametrize(
    ("content", "why"),
    [(content, Why.UNREADABLE) for content in UNREADABLE.values()]
    + [(content, Why.MISMATCH) for content in OTHERS.values()],
    ids=[*UNREADABLE, *OTHERS],
)
def test_documents_that_are_refused(read: Read, content: bytes, why: Why) -> None:
    with pytest.raises(Refused) as caught:
        read(content)

    assert caught.value.why is why
