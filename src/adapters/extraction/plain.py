"""Reading plain text and Markdown."""

from collections.abc import Iterator
from pathlib import Path

from adapters.extraction.charsets import decoded
from adapters.extraction.reading import Refused, Sheet, Why, clean, count_controls

CONTROLS_MAX = 0.003  # the share of control characters that a text may hold

_OTHER_KINDS = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"ID3\x03",
    b"RIFF",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
)


def read(file: Path) -> Iterator[Sheet]:
    """Raises Refused."""
    data = file.read_bytes()
    if data.startswith(_OTHER_KINDS):
        raise Refused(Why.MISMATCH)
    text = decoded(data)
    del data  # it may be large, and so are its copies
    if "\x00" in text or count_controls(text) > CONTROLS_MAX * len(text):
        raise Refused(Why.MISMATCH)
    yield Sheet(None, 1, clean(text))
