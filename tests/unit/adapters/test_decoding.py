import pytest
from msgspec import Struct

from adapters.http.decoding import decoded
from adapters.http.errors import Unreadable


class Event(Struct):
    chunk: str = ""


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b'{"chunk":"a","status":"x","n":[1,{"m":null}]}', "a"),
        ('{"chunk":"\u2028\x85文"}'.encode(), "\u2028\x85文"),
        (b'{"chunk":"\\ud83c\\udf93"}', "🎓"),
        (b'{"chunk":"\\ud83c"}', "\ud83c"),
        (b'{"chunk":"a\x0bb"}', "a\x0bb"),
        (b'{"chunk":"a","ttft":NaN}', "a"),
        (b'{"chunk":"a\xff"}', "a\ufffd"),
        (b"{}", ""),
    ],
)
def test_what_model_servers_send_is_read(data: bytes, chunk: str) -> None:
    assert decoded(data, Event).chunk == chunk


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"3",
        b"NaN",
        b'"a"',
        b"[]",
        b'{"chunk":3}',
        b'{"chunk":null}',
        b'{"chunk":{"a":1}}',
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"chunk":"\\ud83c","n":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: data[:12],
)
def test_anything_else_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decoded(data, Event)
