"""Profile pictures (contract 3, UL-9, UL-10): what may be sent, what is served, what is left."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope
from PIL import Image
from redis import Redis
from typing_extensions import override

from application.ports.pictures import Pictures, PicturesBusy
from domain.document import MB
from domain.user import UserId
from tests.conftest import Valkey
from tests.fakes.pictures import FakePictures
from tests.images import a_bomb, a_jpeg, a_picture, opened
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.raw import exchange
from tests.servers.llm_service import LlmServiceServer

WRONG_TYPE = (400, "Invalid file type.")


async def send(user: User, content: bytes, name: str = "me.png") -> httpx.Response:
    return await user.post("/api/user/avatar", files={"avatar": (name, content)})


async def shown(user: User) -> str:
    return str((await user.get("/api/user/profile")).json()["avatar_url"])


def kept(house: House) -> set[str]:
    folder = house.settings.static_dir / "avatars"
    return {f"/static/avatars/{file.name}" for file in folder.iterdir()} if folder.is_dir() else set()


@pytest.mark.parametrize(
    ("name", "content", "ending"),
    [("me.png", a_picture(), "png"), ("Me.JPG", a_jpeg(), "jpg"), ("a.b.jpeg", a_jpeg(), "jpg")],
)
async def test_a_picture_is_kept_served_and_logged(
    home: House, ann: User, name: str, content: bytes, ending: str
) -> None:
    profile = (await ann.get("/api/user/profile")).json()
    before, id = profile["avatar_url"], profile["id"]
    answer = await send(ann, content, name)
    url = answer.json()["avatar_url"]

    assert answer.status_code == 200
    assert answer.json() == {"msg": "Avatar uploaded successfully.", "avatar_url": url}
    assert re.fullmatch(rf"/static/avatars/user_{id}_[0-9a-f]{{8}}\.{ending}", url)
    assert await shown(ann) == url
    served = await home.client.get(url, headers={"Origin": "https://front.example"})
    assert served.status_code == 200
    assert served.headers["content-type"] == f"image/{'png' if ending == 'png' else 'jpeg'}"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["cache-control"] == "public, max-age=86400"
    assert served.headers["access-control-allow-origin"] == "*"
    assert opened(served.content).size == (64, 48)
    head = await home.client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(served.content))
    ((details,),) = await home.sql("SELECT details FROM user_action_log ORDER BY id DESC LIMIT 1")
    assert json.loads(details) == {"avatar_url": [before, url]}


async def test_the_former_one_goes_and_the_shipped_one_stays(home: House, bob: User) -> None:
    urls = [(await send(bob, a_picture())).json()["avatar_url"] for _ in range(3)]

    assert len(set(urls)) == 3
    assert [(await home.client.get(url)).status_code for url in urls] == [404, 404, 200]
    assert (await home.client.get("/static/avatars/default.png")).status_code == 200


async def test_nothing_of_the_file_but_its_pixels_is_given_out(home: House, ann: User) -> None:
    exif = Image.Exif()
    exif[0x010E] = "52.5200 N 13.4050 E"
    exif[0x0112] = 6
    sent = a_jpeg((3000, 2000), exif=exif, comment=b"secret") + b"<script>alert(1)</script>"
    served = (await home.client.get((await send(ann, sent, "me.jpg")).json()["avatar_url"])).content

    assert opened(served).size == (683, 1024)
    for left in (b"52.5200", b"secret", b"<script>"):
        assert left not in served


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("me.gif", a_picture(format="GIF"), "file_type"),
        ("me.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "file_type"),
        ("me.html", a_picture(), "file_type"),
        ("me", a_picture(), "file_type"),
        ("me.png.exe", a_picture(), "file_type"),
        ("me.png", b"", "bad_file"),
        ("me.png", b"text", "bad_file"),
        ("me.png", a_jpeg(), "bad_file"),
        ("me.jpg", a_picture(), "bad_file"),
        ("me.png", a_picture(format="GIF"), "bad_file"),
        ("me.png", a_picture((400, 400))[:300], "bad_file"),
        ("me.jpg", a_jpeg((400, 400))[:-300], "bad_file"),
    ],
)
async def test_what_is_no_picture_changes_nothing(
    home: House, ann: User, name: str, content: bytes, code: str
) -> None:
    before, files = await shown(ann), kept(home)
    answer = await send(ann, content, name)

    assert refusal(answer) == (*WRONG_TYPE, code)
    assert (await shown(ann), kept(home)) == (before, files)


async def test_too_many_pixels(home: House, ann: User) -> None:
    answer = await send(ann, a_bomb())

    assert refusal(answer) == (400, "Image has too many pixels (max 40 megapixels)", "bad_file")


@pytest.mark.parametrize(
    "request_of",
    [
        {"files": {"file": ("me.png", a_picture())}},
        {"files": {"avatar": (None, "")}},
        {"files": {"avatar": (None, "text")}},
        {"data": {"avatar": "x"}},
        {},
    ],
)
async def test_no_file_is_said_so(ann: User, request_of: dict[str, Any]) -> None:
    answer = await ann.post("/api/user/avatar", **request_of)

    assert refusal(answer) == (400, "No file part in the request", "missing_field")


async def test_another_content_type(ann: User) -> None:
    answer = await ann.post("/api/user/avatar", json={"avatar": "x"})

    assert refusal(answer) == (415, "Content-Type must be a form type", "unsupported_media_type")


async def test_five_megabytes_are_the_most(home: House, ann: User) -> None:
    before = await shown(ann)
    fits = a_picture() + bytes(5 * MB - len(a_picture()))
    assert (await send(ann, fits)).status_code == 200
    too_large = await send(ann, fits + b"x")
    assert refusal(too_large) == (
        413, "File too large. Maximum size for image files is 5 MB", "too_large",
    )  # read as a table # fmt: skip
    announced = await send(ann, bytes(6 * MB + 1))
    assert refusal(announced) == (413, "Request body too large", "too_large")
    assert await shown(ann) != before


async def test_of_uploads_at_once_exactly_one_file_remains(home: House) -> None:
    kim = await home.user("kim@example.org")
    others = kept(home)
    answers = await asyncio.gather(*(send(kim, a_jpeg((600, 400)), "me.jpg") for _ in range(12)))

    assert [answer.status_code for answer in answers] == [200] * 12
    assert kept(home) - others == {await shown(kim)}


async def test_two_hundred_an_hour_are_looked_at(home: House, ann: User) -> None:
    lou = await home.user("lou@example.org")
    assert (await send(lou, a_picture())).status_code == 200
    before = await shown(lou)
    looked_at = 1
    while (answer := await send(lou, b"text")).status_code == 400:
        looked_at += 1
    assert 200 <= looked_at < 210  # one more every 18 seconds
    assert (await send(lou, b"text", "me.gif")).status_code == 400  # refused by its name: costs nothing

    assert refusal(answer) == (429, "Too many requests. Please try again later.", "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 18
    assert await shown(lou) == before
    assert (await send(ann, a_picture())).status_code == 200


@dataclass(eq=False)
class BusyPictures(FakePictures):
    """Twelve wait already."""

    @override
    async def keep(self, user: UserId, file: Path, extension: str) -> str:
        raise PicturesBusy


async def test_too_many_that_wait_are_503(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: BusyPictures(), provides=Pictures, override=True)
    async with a_house(tmp_path, provider, REDIS_URL=valkey.url, LLM_URL=llm.url) as house:
        answer = await send(await house.user(), a_picture())

    assert refusal(answer) == (503, "Service temporarily unavailable", "capacity")
    assert answer.headers["retry-after"] == "10"


async def test_a_disk_that_refuses_is_503_and_changes_nothing(house: House) -> None:
    ann = await house.user()
    house.settings.static_dir.mkdir(parents=True, exist_ok=True)
    (house.settings.static_dir / "avatars").write_bytes(b"no folder")
    answer = await send(ann, a_picture())

    assert refusal(answer) == (503, "Failed to save file", "storage_unavailable")
    assert await shown(ann) == "/static/avatars/default.png"
    (house.settings.static_dir / "avatars").unlink()
    assert (await send(ann, a_picture())).status_code == 200


async def test_nothing_but_pictures_of_that_folder_is_served(home: House, tmp_path: Path) -> None:
    folder = home.settings.static_dir / "avatars"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "secret.png").write_bytes(b"secret")
    (folder / "page.html").write_bytes(b"secret")
    (folder / ".hidden.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    for path in (
        "", "/", "..", "../secret.png", "%2e%2e/secret.png", "..%2fsecret.png", "%2e%2e%2fsecret.png",
        "..\\secret.png", "page.html", ".hidden.png", "link.png", "nope.png", "default.png/x", "%00.png",
        "default.png%00", "x" * 300 + ".png", "/etc/passwd", "default.PNG",
    ):  # read as a table # fmt: skip
        request = f"GET /static/avatars/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await exchange(home.url, request)
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), path
        assert b"secret" not in answer.partition(b"\r\n\r\n")[2].replace(b"secret.png", b""), path
    assert refusal(await home.client.get("/static/avatars/nope.png")) == (
        404,
        "Resource not found",
        "not_found",
    )
