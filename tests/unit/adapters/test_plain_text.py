from pathlib import Path

import pytest

from adapters.extraction.formats import sheets
from adapters.extraction.reading import TEXT_MAX, Limits, Refused, Sheet, Why, worth_reading

LIMITS = Limits(pages=10, archive_ratio=100, archive_mb=20)


@pytest.mark.parametrize(
    "content",
    [
        *(b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF"),
        *(b"\x7fELF", b"ID3\x03", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x01\x02\x03\x04\x05", b"a\x00"),
    ],
)
def test_other_formats_are_not_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content + b"plain enough otherwise")

    with pytest.raises(Refused) as caught:
        list(sheets(tmp_path / "a", "txt", LIMITS))

    assert caught.value.why is Why.MISMATCH


def test_a_text_without_end_is_given_up() -> None:
    with pytest.raises(Refused) as caught:
        list(worth_reading(Sheet(n, 3, "x" * (TEXT_MAX // 2)) for n in (1, 2, 3)))

    assert caught.value.why is Why.UNREADABLE
