"""What a browser gets: the front page, the assets of the documentation, pictures."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from dishka import FromDishka
from litestar import Controller, MediaType, Response, get
from litestar.params import FromPath

from application.ports.pictures import Pictures
from domain.errors import NotFound
from entrypoints.http.policy import PUBLIC

ASSETS = Path(__file__).parents[1] / "assets"
SHIPPED_PICTURES = ASSETS / "avatars"
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
CACHED = {"Cache-Control": "public, max-age=86400"}


@dataclass(frozen=True, slots=True)
class House:
    """What the pages tell about this installation."""

    model: str
    mailbox: bool


class PagesController(Controller):
    opt = PUBLIC
    include_in_schema = False

    @get("/", media_type=MediaType.HTML)
    async def front(self, house: FromDishka[House]) -> str:
        """Where to go from here."""
        mailbox = '<li><a href="/dev/mailbox">Development mailbox</a>: verification codes arrive here</li>'
        page = (ASSETS / "front.html").read_text("utf-8")
        return page.replace("{model}", house.model).replace("{mailbox}", mailbox if house.mailbox else "")

    @get("/assets/docs/{name:str}")
    async def docs_asset(self, name: FromPath[str]) -> Response[bytes]:
        return await asyncio.to_thread(_file, ASSETS / "docs", name)

    @get("/static/avatars/{name:str}")
    async def picture(self, name: FromPath[str], pictures: FromDishka[Pictures]) -> Response[bytes]:
        content = await pictures.read(name)
        if content is None:
            raise NotFound
        return Response(content, media_type=TYPES[Path(name).suffix], headers=CACHED)


def _file(folder: Path, name: str) -> Response[bytes]:
    path = folder / name
    if not _NAME.fullmatch(name) or path.suffix not in TYPES or not path.is_file():
        raise NotFound
    return Response(path.read_bytes(), media_type=TYPES[path.suffix], headers=CACHED)
