"""What a browser gets: the page and its parts, the assets of the documentation, pictures."""

import asyncio
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dishka import FromDishka
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from application.ports.pictures import Pictures
from domain.errors import NotFound
from entrypoints.http.policy import PUBLIC
from entrypoints.http.ranges import names

ASSETS = Path(__file__).parents[1] / "assets"
SHIPPED_PICTURES = ASSETS / "avatars"
PAGE = ASSETS / "page"
TYPES = {  # the framework adds the charset to those of text
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
CACHED = {"Cache-Control": "public, max-age=86400"}
MAILBOX = "/dev/mailbox.json"
# Nothing but our own files is run, shown or asked; pictures that came with a token are shown from memory.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASKED_AGAIN = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}  # the parts fit one another


@dataclass(frozen=True, slots=True)
class House:
    """What the pages tell about this installation."""

    model: str
    mailbox: bool


class PagesController(Controller):
    opt = PUBLIC
    include_in_schema = False

    @get("/")
    async def front(self, request: Request[Any, Any, State], house: FromDishka[House]) -> Response[bytes]:
        """A small client of the API, for whoever starts this on a laptop."""
        page = await asyncio.to_thread((PAGE / "index.html").read_text, "utf-8")
        told = {"{model}": house.model, "{mailbox}": MAILBOX if house.mailbox else ""}
        for place, text in told.items():
            page = page.replace(place, html.escape(text))
        return _unless_known(request, page.encode(), TYPES[".html"])

    @get("/assets/page/{name:str}")
    async def part(self, request: Request[Any, Any, State], name: FromPath[str]) -> Response[bytes]:
        content, kind = await asyncio.to_thread(_read, PAGE, name)
        if kind == TYPES[".html"]:
            raise NotFound  # the page is at / alone
        return _unless_known(request, content, kind)

    @get("/assets/docs/{name:str}")
    async def docs_asset(self, name: FromPath[str]) -> Response[bytes]:
        content, kind = await asyncio.to_thread(_read, ASSETS / "docs", name)
        return Response(content, media_type=kind, headers=CACHED)

    @get("/static/avatars/{name:str}")
    async def picture(self, name: FromPath[str], pictures: FromDishka[Pictures]) -> Response[bytes]:
        content = await pictures.read(name)
        if content is None:
            raise NotFound
        return Response(content, media_type=TYPES[Path(name).suffix], headers=CACHED)


def _read(folder: Path, name: str) -> tuple[bytes, str]:
    """A file of this very folder, and its type. Raises NotFound."""
    path = folder / name
    if not _NAME.fullmatch(name) or path.suffix not in TYPES or not path.is_file():
        raise NotFound
    return path.read_bytes(), TYPES[path.suffix]


def _unless_known(request: Request[Any, Any, State], content: bytes, kind: str) -> Response[bytes]:
    """304 for a browser that has this very content already."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**ASKED_AGAIN, "ETag": tag}
    if names(request.headers.get("if-none-match", ""), tag):
        return Response(b"", status_code=304, headers=headers, media_type=kind)
    return Response(content, headers=headers, media_type=kind)
