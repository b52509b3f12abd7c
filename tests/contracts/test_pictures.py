"""What every Pictures promises, asked of the fake and of the local folder."""

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.pictures.disk import LINE, SETTLED_S, DiskPictures
from application.ports.blobs import BlobStoreUnavailable
from application.ports.pictures import Pictures, PicturesBusy
from domain.document import BadFile
from domain.user import UserId
from tests.fakes.pictures import FakePictures
from tests.images import a_bomb, a_jpeg, a_picture, opened

ANN, BEN = UserId(1), UserId(11)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def disk(tmp_path: Path, pool: ThreadPoolExecutor) -> DiskPictures:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "default.png").write_bytes(b"shipped")
    return DiskPictures(tmp_path / "static" / "avatars", shipped, pool)


@pytest.fixture(params=["fake", "disk"])
def pictures(request: pytest.FixtureRequest, disk: DiskPictures) -> Pictures:
    return FakePictures() if request.param == "fake" else disk


@pytest.fixture
def png(tmp_path: Path) -> Path:
    place = tmp_path / "sent.png"
    place.write_bytes(a_picture())
    return place


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    place = tmp_path / "sent.jpg"
    place.write_bytes(a_jpeg())
    return place


async def names(pictures: Pictures, user: UserId = ANN) -> list[str]:
    return [name async for name in pictures.of(user)]


async def test_a_picture_gets_a_fresh_name_of_its_owner(pictures: Pictures, png: Path, jpeg: Path) -> None:
    first, second = await pictures.keep(ANN, png, "png"), await pictures.keep(ANN, png, "png")
    photos = [await pictures.keep(ANN, jpeg, extension) for extension in ("jpg", "jpeg")]

    assert re.fullmatch(r"user_1_[0-9a-f]{8}\.png", first)
    assert first != second
    assert all(re.fullmatch(r"user_1_[0-9a-f]{8}\.jpg", name) for name in photos)
    assert await pictures.read(first)
    assert sorted(await names(pictures)) == sorted([first, second, *photos])


async def test_what_is_no_such_picture_leaves_nothing(pictures: Pictures, tmp_path: Path, jpeg: Path) -> None:
    no_picture = tmp_path / "x.png"
    for content in (b"", b"text", jpeg.read_bytes()):
        no_picture.write_bytes(content)
        with pytest.raises(BadFile):
            await pictures.keep(ANN, no_picture, "png")

    assert await names(pictures) == []


async def test_everybody_has_his_own(pictures: Pictures, png: Path) -> None:
    his = await pictures.keep(BEN, png, "png")

    assert await names(pictures) == []
    assert await names(pictures, BEN) == [his]


async def test_an_erased_one_is_gone_and_erasing_again_changes_nothing(pictures: Pictures, png: Path) -> None:
    name = await pictures.keep(ANN, png, "png")
    for _ in range(2):
        await pictures.erase(name)

    assert await pictures.read(name) is None
    assert await names(pictures) == []


async def test_the_shipped_one_is_there_and_stays(pictures: Pictures) -> None:
    await pictures.erase("default.png")

    assert await pictures.read("default.png") == b"shipped"


@pytest.mark.parametrize("name", ["", "nope.png", "user_1_00000000.jpg"])
async def test_what_is_not_there_is_none(pictures: Pictures, name: str) -> None:
    assert await pictures.read(name) is None
    await pictures.erase(name)


async def settle(pictures: Pictures, *settled: str) -> None:
    if isinstance(pictures, FakePictures):
        pictures.settled |= set(settled)
    elif isinstance(pictures, DiskPictures):
        for name in settled:
            long_ago = time.time() - SETTLED_S - 1
            os.utime(pictures.folder / name, (long_ago, long_ago))


async def test_tidying_leaves_the_current_one_and_what_just_came(pictures: Pictures, png: Path) -> None:
    old, current, fresh = [await pictures.keep(ANN, png, "png") for _ in range(3)]
    others = await pictures.keep(BEN, png, "png")
    await settle(pictures, old, current, others)
    await pictures.tidy(ANN, current)

    assert sorted(await names(pictures)) == sorted([current, fresh])
    assert await names(pictures, BEN) == [others]


class TestOnDisk:
    async def test_is_made_anew(self, disk: DiskPictures, tmp_path: Path) -> None:
        sent = tmp_path / "big.jpg"
        sent.write_bytes(a_jpeg((3000, 2000), comment=b"secret") + b"<script>")
        content = await disk.read(await disk.keep(ANN, sent, "jpg"))

        assert content is not None
        assert opened(content).size == (1024, 683)
        assert b"secret" not in content

    @pytest.mark.parametrize(
        "name",
        ["../secret.png", "..%2fsecret.png", "/etc/passwd", "a/b.png", ".hidden.png", "x.svg",
         "x.png\x00.jpg", "x" * 200 + ".png", "..", "link.png", "folder.png"],
    )  # read as a table # fmt: skip
    async def test_only_pictures_of_the_folder_are_read_or_erased(
        self, disk: DiskPictures, tmp_path: Path, name: str
    ) -> None:
        secret = disk.folder.parent / "secret.png"
        (disk.folder / "folder.png").mkdir(parents=True)
        secret.write_bytes(b"secret")
        (disk.folder / "link.png").symlink_to(secret)

        assert await disk.read(name) is None
        if name != "folder.png":
            await disk.erase(name)
        assert secret.exists()

    async def test_halves_that_a_crash_has_left_are_found_and_erased(
        self, disk: DiskPictures, png: Path
    ) -> None:
        whole = await disk.keep(ANN, png, "png")
        half = ".user_1_00000000.png.part"
        (disk.folder / half).write_bytes(b"half")

        assert sorted(await names(disk)) == sorted([half, whole])
        for name in await names(disk):
            await disk.erase(name)
        assert list(disk.folder.iterdir()) == []

    async def test_a_disk_that_refuses_is_told_and_keeps_nothing(self, disk: DiskPictures, png: Path) -> None:
        disk.folder.parent.write_bytes(b"no folder")
        with pytest.raises(BlobStoreUnavailable):
            await disk.keep(ANN, png, "png")
        with pytest.raises(BlobStoreUnavailable):
            await disk.erase("user_1_00000000.png")

    async def test_a_caller_who_went_leaves_nothing(self, disk: DiskPictures, tmp_path: Path) -> None:
        sent = tmp_path / "sent.jpg"
        sent.write_bytes(a_jpeg((2000, 2000)))
        for wait in (0, 0.005, 0.02, 0.05, 0.1):
            keeping = asyncio.create_task(disk.keep(ANN, sent, "jpg"))
            await asyncio.sleep(wait)
            keeping.cancel()
            done = (await asyncio.gather(keeping, return_exceptions=True))[0]
            if isinstance(done, str):
                await disk.erase(done)
        await asyncio.to_thread(disk.pool.submit(lambda: None).result)

        assert await names(disk) == []

    async def test_decoding_never_blocks_the_loop(self, disk: DiskPictures, tmp_path: Path) -> None:
        sent = tmp_path / "sent.png"
        sent.write_bytes(a_picture((3000, 3000), "RGBA"))
        keeping = asyncio.create_task(disk.keep(ANN, sent, "png"))
        longest, before = 0.0, time.perf_counter()
        while not keeping.done():
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

        assert await keeping
        assert longest < 0.25

    async def test_only_so_many_wait(self, disk: DiskPictures, tmp_path: Path, png: Path) -> None:
        busy = threading.Event()
        disk.pool.submit(busy.wait)
        try:
            waiting = [asyncio.create_task(disk.keep(UserId(n), png, "png")) for n in range(LINE)]
            await asyncio.sleep(0)
            with pytest.raises(PicturesBusy):
                await disk.keep(BEN, png, "png")
            waiting.pop().cancel()
            await asyncio.sleep(0.01)
            waiting.append(asyncio.create_task(disk.keep(BEN, png, "png")))
            await asyncio.sleep(0)
            assert not waiting[-1].done()
        finally:
            busy.set()
        await asyncio.gather(*waiting)
        assert await disk.keep(BEN, png, "png")

    async def test_what_waits_is_not_in_memory(self, disk: DiskPictures, tmp_path: Path, png: Path) -> None:
        busy = threading.Event()
        disk.pool.submit(busy.wait)
        try:
            waiting = asyncio.create_task(disk.keep(ANN, png, "png"))
            await asyncio.sleep(0.05)
            png.write_bytes(a_picture((7, 7)))
        finally:
            busy.set()
        content = await disk.read(await waiting)
        assert content is not None
        assert opened(content).size == (7, 7)

    async def test_a_bomb_is_refused(self, disk: DiskPictures, tmp_path: Path) -> None:
        sent = tmp_path / "bomb.png"
        sent.write_bytes(a_bomb())
        with pytest.raises(BadFile, match="40 megapixels"):
            await disk.keep(ANN, sent, "png")
