"""Reading what clients send (contract 1.3), by hand: the contract is more tolerant than any validator."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from application.ports.blobs import BlobStoreUnavailable
from domain.conversation import MAX_ID
from domain.errors import Invalid, InvalidField, MissingField, NotFound
from domain.text import nfc, require_storable
from entrypoints.http import spool
from entrypoints.http.errors import UnsupportedMediaType

MAX_PARTS = 64
QUERY_TEXT_MAX = 254  # nothing that is searched for is longer than an address
MAX_TEXT = 1024 * 1024  # of all parts that are no files: they are held in memory
TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
UNSENT_WORDS = frozenset({"", "null", "undefined"})

AnyRequest = Request[Any, Any, Any]
Growing = Callable[[int], None]  # told how large a file becomes before it does; may refuse it
Welcome = Callable[[str], Growing]  # told the name of a file that comes; may refuse it


def any_name(growing: Growing) -> Welcome:
    """Files are welcome whatever they are called."""
    return lambda _: growing


class ClientLeft(Invalid):
    """The client went away in the middle of its body: nobody will read this refusal."""


async def _pieces(request: AnyRequest) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        yield message["body"]
        more = message.get("more_body", False)


async def _body(request: AnyRequest) -> bytes:
    return b"".join([piece async for piece in _pieces(request)])


async def json_object(request: AnyRequest) -> dict[str, Any]:
    """The body as one JSON object; an empty body is `{}`."""
    body = await _body(request)
    if not body:
        return {}
    kind = _content_type(request)[0]
    if kind not in ("", "application/json"):
        raise UnsupportedMediaType("Content-Type must be application/json")
    return _parsed(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("Malformed JSON") from error
    if not isinstance(value, dict):
        raise Invalid("JSON object expected")
    return value


@dataclass(slots=True)
class UploadedFile:
    """A file part, spooled to disk: closing it removes it."""

    name: str
    content: IO[bytes]
    growing: Growing
    size: int = 0

    @property
    def path(self) -> Path:
        return Path(self.content.name)


Sink = UploadedFile | bytearray | None


@dataclass(slots=True)
class Form:
    """Fields by name (the first of a repeated one counts); "" is not sent."""

    fields: Mapping[str, object] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """A number, a boolean or a word, as text; in JSON these may come as what they are. Whoever asks for
        it knows what it may be, and refuses the rest in its turn."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 5.0 is 5 in JSON
        return str(value) or None

    def text(self, name: str) -> str | None:
        return text(self.fields, name) or None


@asynccontextmanager
async def form_of(request: AnyRequest, files: Mapping[str, Welcome] | None = None) -> AsyncIterator[Form]:
    """The request's form, of any of the accepted types. `files` are the parts where a file may stand, each
    with who is asked about it while it comes; they live as long as the context. Any other is thrown away."""
    kind, options = _content_type(request)
    form = Form()
    try:
        if kind == "multipart/form-data":
            await _read_multipart(request, options.get("boundary", ""), form, files or {})
        elif body := await _body(request):
            form.fields = _simple_form(kind, body, json_allowed=not files)
        yield form
    finally:
        for file in form.files.values():
            file.content.close()


def _simple_form(kind: str, body: bytes, *, json_allowed: bool) -> Mapping[str, object]:
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            raise Invalid("Malformed form data") from error
        return dict(reversed(pairs))  # the first of a repeated one counts
    if kind == "application/json" and json_allowed:
        return _parsed(body)
    raise UnsupportedMediaType("Content-Type must be a form type")


async def _read_multipart(
    request: AnyRequest, boundary: str, form: Form, files: Mapping[str, Welcome]
) -> None:
    fields: dict[str, object] = {}
    form.fields = fields
    part: MultipartSegment | None = None
    sink: Sink = None
    left = MAX_TEXT
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            async for piece in _pieces(request):
                for event in parser.parse(piece):
                    if isinstance(event, MultipartSegment):
                        part, sink = event, _sink(event, form, files)
                    elif event:
                        left -= _pour(event, sink, left)
                    elif part is not None:
                        _close_part(part, sink, fields)
                        part = None
    except (MultipartError, UnicodeError) as error:
        raise Invalid("Malformed form data") from error


@contextmanager
def _on_disk() -> Iterator[None]:
    """A full or broken disk is not the client's fault, and no bug."""
    try:
        yield
    except OSError as error:
        raise BlobStoreUnavailable from error


def _sink(part: MultipartSegment, form: Form, files: Mapping[str, Welcome]) -> Sink:
    """Where the part goes; None: nowhere."""
    if not part.filename:
        return bytearray()
    if part.name not in files or part.name in form.files:
        return None
    growing = files[part.name](part.filename)
    with _on_disk():
        file = form.files[part.name] = UploadedFile(part.filename, spool.new_file(), growing)
    return file


def _pour(piece: bytearray | bytes, sink: Sink, room: int) -> int:
    """How much of the room for text it takes."""
    if sink is None:
        return 0
    if isinstance(sink, UploadedFile):
        sink.growing(sink.size + len(piece))
        with _on_disk():
            sink.content.write(piece)
        sink.size += len(piece)
        return 0
    if len(piece) > room:
        raise Invalid("Malformed form data")
    sink.extend(piece)
    return len(piece)


def _close_part(part: MultipartSegment, sink: Sink, fields: dict[str, object]) -> None:
    if isinstance(sink, UploadedFile):
        with _on_disk():
            sink.content.flush()
    elif sink is not None:
        fields.setdefault(part.name, sink.decode())  # text is UTF-8, whatever charset a part names


def _content_type(request: AnyRequest) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.strip().lower(), options


def require(fields: Mapping[str, Any], *names: str, msg: str | None = None) -> None:
    """Refuses a JSON object in which one of these is absent or empty."""
    if any(fields.get(name) in (None, "") for name in names):
        raise MissingField(msg)


def text(fields: Mapping[str, Any], name: str, msg: str | None = None) -> str:
    """A text field of a JSON object, "" if absent; anything but storable text is refused, with `msg`."""
    value = fields.get(name)
    if value is None:
        return ""
    msg = msg or f"Invalid value for '{name}'"
    if not isinstance(value, str):
        raise InvalidField(msg)
    return require_storable(value, msg)


def word(fields: Mapping[str, Any], name: str, default: str) -> str:
    """A word of a closed list that somebody else checks: what is no text is none of its words."""
    value = fields.get(name)
    return default if value is None else str(value)


def code_of(fields: Mapping[str, Any], name: str = "code") -> str:
    """A six-digit code: text, or an integer that lost its leading zeros."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 999_999:
        return f"{value:06d}"
    return text(fields, name)


def form_boolean(value: str | None, name: str) -> bool | None:
    word = (value or "").strip().lower()
    if word in UNSENT_WORDS:
        return None
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise InvalidField(f"Invalid value for '{name}'")


def query(request: "ASGIConnection[Any, Any, Any, Any]", name: str) -> str | None:
    """A query value; `params[x]` stands for `x` when that is absent; "" is not sent."""
    values = request.query_params
    return values.get(name) or values.get(f"params[{name}]") or None


def query_text(request: AnyRequest, name: str) -> str | None:
    """A query value as text in NFC; what cannot be stored is refused."""
    value = query(request, name)
    return nfc(require_storable(value, f"Invalid value for '{name}'"), QUERY_TEXT_MAX) if value else None


def path_id(text: str, refusal: type[NotFound] = NotFound) -> int:
    """A number in a path, leading zeros allowed; what is none, 0 or too large names nothing."""
    if not text.isascii() or not text.isdigit():
        raise refusal
    digits = text.lstrip("0")
    if not digits or len(digits) > 19 or int(digits) > MAX_ID:
        raise refusal
    return int(digits)


def paging(request: AnyRequest, default: int, cap: int, limit: str = "limit") -> tuple[int, int]:
    """`page` and `limit`: never an error, always within bounds."""
    return _clamped(query(request, "page"), 1, MAX_ID // cap), _clamped(query(request, limit), default, cap)


def _clamped(value: str | None, default: int, cap: int) -> int:
    found = re.fullmatch(r"\s*([+-]?)0*([0-9]+)\s*", value or "", re.ASCII)
    if found is None:
        return default
    sign, digits = found.groups()
    return 1 if sign == "-" else min(max(int(digits[:20]), 1), cap)
