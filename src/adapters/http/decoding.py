import json
from typing import TypeVar

import msgspec

from adapters.http.errors import Unreadable

T = TypeVar("T")


def decoded(data: bytes, type: type[T]) -> T:
    """The JSON as this type; unknown keys are dropped. Raises Unreadable.

    Model servers send what strict JSON forbids: half surrogate pairs, NaN, raw control characters, cut UTF-8.
    The slower second reading lets those pass, since they are no reason to lose an answer.
    """
    try:
        return msgspec.json.decode(data, type=type)
    except (ValueError, RecursionError):
        return _leniently(data, type)


def _leniently(data: bytes, type: type[T]) -> T:
    try:
        return msgspec.convert(json.loads(data.decode(errors="replace"), strict=False), type)
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed JSON") from error
