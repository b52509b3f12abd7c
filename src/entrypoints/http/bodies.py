"""Reading what clients send (contract 1.3), by hand: the contract is more tolerant than any validator."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from domain.conversation import MAX_ID
from domain.errors import Invalid, InvalidField
from entrypoints.http.errors import UnsupportedMediaType

MAX_PARTS = 64
MAX_TEXT_PART = 1024 * 1024
TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
UNSENT_WORDS = frozenset({"", "null", "undefined"})

AnyRequest = Request[Any, Any, Any]


async def json_object(request: AnyRequest) -> dict[str, Any]:
    """The body as one JSON object; an empty body is `{}`."""
    body = await request.body()
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
    size: int = 0

    @property
    def path(self) -> Path:
        return Path(self.content.name)


@dataclass(slots=True)
class Form:
    """Fields by name (the first of a repeated one counts); "" is not sent."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.fields.get(name) or None


@asynccontextmanager
async def form_of(request: AnyRequest, *, files: bool = False) -> AsyncIterator[Form]:
    """The request's form, of any of the accepted types. Spooled files live as long as the context."""
    kind, options = _content_type(request)
    form = Form()
    try:
        if kind == "multipart/form-data":
            await _read_multipart(request, options.get("boundary", ""), form)
        elif body := await request.body():
            form.fields = _simple_form(kind, body, json_allowed=not files)
        yield form
    finally:
        for file in form.files.values():
            file.content.close()


def _simple_form(kind: str, body: bytes, *, json_allowed: bool) -> dict[str, str]:
    fields: dict[str, str] = {}
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            raise Invalid("Malformed form data") from error
        for name, value in pairs:
            fields.setdefault(name, value)
        return fields
    if kind == "application/json" and json_allowed:
        for name, value in _parsed(body).items():
            if value is not None:
                fields[name] = _as_text(name, value)
        return fields
    raise UnsupportedMediaType("Content-Type must be a form type")


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    raise InvalidField(f"Invalid value for '{name}'")


async def _read_multipart(request: AnyRequest, boundary: str, form: Form) -> None:
    part: MultipartSegment | None = None
    sink: UploadedFile | bytearray = bytearray()
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            async for piece in request.stream():
                for event in parser.parse(piece):
                    if isinstance(event, MultipartSegment):
                        part, sink = event, _sink(event, form)
                    elif event:
                        _pour(event, sink)
                    elif part is not None:
                        _close_part(part, sink, form)
                        part = None
    except (MultipartError, LookupError, ValueError) as error:
        raise Invalid("Malformed form data") from error


def _sink(part: MultipartSegment, form: Form) -> UploadedFile | bytearray:
    if not part.filename:
        return bytearray()
    # the context of the form closes it; a temporary file vanishes when it is closed
    file = UploadedFile(part.filename, tempfile.NamedTemporaryFile(prefix="vt-upload-"))  # noqa: SIM115
    if part.name in form.files:
        file.content.close()
        return bytearray()
    form.files[part.name] = file
    return file


def _pour(piece: bytearray | bytes, sink: UploadedFile | bytearray) -> None:
    if isinstance(sink, UploadedFile):
        sink.content.write(piece)
        sink.size += len(piece)
    elif len(sink) + len(piece) > MAX_TEXT_PART:
        raise Invalid("Malformed form data")
    else:
        sink.extend(piece)


def _close_part(part: MultipartSegment, sink: UploadedFile | bytearray, form: Form) -> None:
    if isinstance(sink, UploadedFile):
        sink.content.flush()
    elif not part.filename:
        form.fields.setdefault(part.name, sink.decode(part.charset or "utf-8"))


def _content_type(request: AnyRequest) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.strip().lower(), options


def text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str | None:
    """A text field of a JSON object; `null` is absent, anything but text is refused."""
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidField(f"Invalid value for '{name}'")
    return value


def code_of(fields: Mapping[str, Any], name: str = "code") -> str | None:
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


def query(request: AnyRequest, name: str) -> str | None:
    """A query value; `params[x]` stands for `x` when that is absent; "" is not sent."""
    values = request.query_params
    return values.get(name) or values.get(f"params[{name}]") or None


def paging(request: AnyRequest, default: int, cap: int) -> tuple[int, int]:
    """`page` and `limit`: never an error, always within bounds."""
    return _clamped(query(request, "page"), 1, MAX_ID // cap), _clamped(query(request, "limit"), default, cap)


def _clamped(value: str | None, default: int, cap: int) -> int:
    try:
        number = int(value or default)
    except ValueError:
        return default
    return min(max(number, 1), cap)
