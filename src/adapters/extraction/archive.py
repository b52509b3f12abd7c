"""Word documents are archives: what can be told from an archive's directory, before anything is unpacked."""

import re
import zipfile
from pathlib import Path

from adapters.extraction.reading import Limits, Refused, Why

ENTRIES_MAX = 5000
MB = 1024 * 1024

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what encrypted and old Office files are wrapped in
_REQUIRED = {"[Content_Types].xml", "word/document.xml"}
_ACTIVE = re.compile(r"vbaProject|vbaData|macrosheets|/activeX/", re.IGNORECASE)
_ENCRYPTED = 0x1


def check_archive(file: Path, limits: Limits) -> None:
    """Raises Refused."""
    with file.open("rb") as content:
        start = content.read(8)
    if start == _OLE:
        raise Refused(Why.UNREADABLE)
    if not start.startswith(b"PK\x03\x04"):
        raise Refused(Why.MISMATCH)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(Why.UNREADABLE) from error
    names = {entry.filename for entry in entries}
    if not names >= _REQUIRED:
        raise Refused(Why.MISMATCH)
    unpacked = sum(entry.file_size for entry in entries)
    dangerous = (
        len(entries) > ENTRIES_MAX
        or len(names) != len(entries)
        or unpacked > limits.archive_mb * MB
        or unpacked > limits.archive_ratio * max(1, file.stat().st_size)
        or any(entry.flag_bits & _ENCRYPTED for entry in entries)
        or any(_ACTIVE.search(name) for name in names)
    )
    if dangerous:
        raise Refused(Why.UNREADABLE)
