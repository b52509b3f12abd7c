"""What a browser gets: the front page, the assets of the documentation, pictures."""

import re
from dataclasses import dataclass
from pathlib import Path

from dishka import FromDishka
from litestar import Controller, MediaType, Response, get
from litestar.params import FromPath

from domain.errors import NotFound
from entrypoints.http.policy import PUBLIC

ASSETS = Path(__file__).parents[1] / "assets"
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

    static: Path
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
        return _file(ASSETS / "docs", name)

    @get("/static/avatars/{name:str}")
    async def picture(self, name: FromPath[str], house: FromDishka[House]) -> Response[bytes]:
        for folder in (house.static / "avatars", ASSETS / "avatars"):
            if _is_there(folder, name):
                return _file(folder, name)
        raise NotFound


def _is_there(folder: Path, name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and Path(name).suffix in TYPES and (folder / name).is_file()


def _file(folder: Path, name: str) -> Response[bytes]:
    if not _is_there(folder, name):
        raise NotFound
    path = folder / name
    return Response(path.read_bytes(), media_type=TYPES[path.suffix], headers=CACHED)
