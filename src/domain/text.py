"""What counts as text here: UTF-8 that every store can hold."""

import re
import unicodedata

from domain.errors import InvalidField

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def require_storable(text: str, msg: str = "Text contains characters that cannot be stored") -> str:
    """The text itself; NUL and lone surrogates are refused, since no database keeps them."""
    if _UNSTORABLE.search(text):
        raise InvalidField(msg)
    return text


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD and the halves of a pair put together: what a
    model says is never refused."""
    if _UNSTORABLE.search(text) is None:
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")


def nfc(text: str, at_most: int) -> str:
    """The text in NFC, where that could have `at_most` code points. What is far longer comes back as it is,
    for its length to be refused: a hundred thousand accents on one letter take a minute to put in order."""
    return unicodedata.normalize("NFC", text) if len(text) <= 4 * at_most else text
