"""What goes between the server and its extraction child: lines of JSON."""

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from adapters.extraction.reading import Limits, Why
from application.ports.extraction import Piece


class Request(Struct, frozen=True):
    file: str
    extension: str
    check_only: bool
    limits: Limits
    memory_mb: int
    seconds: int


class PagesRead(Struct, frozen=True, tag="read"):
    done: int
    of: int


class Found(Struct, frozen=True, tag="found"):
    piece: Piece


class Refusal(Struct, frozen=True, tag="refused"):
    why: Why


class Done(Struct, frozen=True, tag="done"):
    pass


Line = PagesRead | Found | Refusal | Done

LINE_MAX = 1024 * 1024  # bytes; a piece is far shorter
REQUESTS = Decoder(Request)
LINES = Decoder[Line](Line)
ENCODER = Encoder()
