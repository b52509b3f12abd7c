"""Which encoding a text is in: what its first bytes mark, else what its bytes can be at all, else what they
look like most."""

import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from adapters.extraction.reading import Refused, Why

SAMPLE = 64 * 1024
LEGACY_SAMPLE = 256 * 1024
COMMON_LEAST = 0.001  # so many blanks, commas and full stops for a byte there are in every text
STRANGE_MAX = 0.01  # the share of characters that are none
SLIPS = 50  # so many good characters for one bad byte make it UTF-8 with a slip

_MARKS = ((BOM_UTF8, "utf-8-sig"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))
_EVERYWHERE = " \n\r、。，"  # with their bytes swapped they are hardly ever used
_NO_CHARACTER = {"Cn", "Co", "Cs"}
_LEGACY = (  # where two fit alike, the earlier one
    *("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949"),
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp874"),
)


def decoded(data: bytes) -> str:
    """Raises Refused: no text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding)
    if b"\x00" in data[:SAMPLE]:  # of all encodings of a text only UTF-16 has it
        return _utf_16(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _nearly_utf_8(data) or _legacy(data)


def _utf_16(data: bytes) -> str:
    sample = data[: min(SAMPLE, len(data)) & ~1]
    common = {one: _common(sample.decode(one, "replace")) for one in ("utf-16-le", "utf-16-be")}
    best = max(common, key=lambda one: common[one])
    if common[best] < COMMON_LEAST * len(sample):
        raise Refused(Why.MISMATCH)
    return _characters(_strictly(data, best))


def _common(text: str) -> int:
    return sum(map(text.count, _EVERYWHERE))


def _nearly_utf_8(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(not piece.isascii() for piece in text) - bad
    return text if good >= SLIPS * bad else None


def _legacy(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data
    if len(data) > LEGACY_SAMPLE:
        sample = data[:LEGACY_SAMPLE]
        sample = sample[: sample.rfind(b"\n") + 1] or sample  # never within a character
    likely = from_bytes(sample, cp_isolation=list(_LEGACY))
    best = min(likely, key=lambda one: (one.chaos, -one.coherence, _LEGACY.index(one.encoding)), default=None)
    if best is None:
        raise Refused(Why.MISMATCH)
    return _characters(data.decode(best.encoding, "replace"))


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(Why.MISMATCH) from error


def _characters(text: str) -> str:
    """The text itself, if it is one: not a row of code points that stand for nothing."""
    sample = text[:SAMPLE]
    strange = sum(c == "\ufffd" or unicodedata.category(c) in _NO_CHARACTER for c in sample)
    if strange > STRANGE_MAX * len(sample):
        raise Refused(Why.MISMATCH)
    return text
