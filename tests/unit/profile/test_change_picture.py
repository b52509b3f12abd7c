import asyncio
from pathlib import Path

import pytest
from typing_extensions import override

from application.accounts.limits import PICTURES
from application.ports.blobs import BlobStoreUnavailable
from application.ports.scanner import FileInfected
from application.profile.change_picture import PLACE, ChangePicture, IncomingPicture
from domain.document import MB, BadFile, FileTooLarge, FileTypeNotAllowed
from domain.errors import MissingField, RateLimited, StorageUnavailable
from domain.user import DEFAULT_PICTURE, TokenDead, UserId
from tests.builders import a_user
from tests.fakes.clock import FakeClock
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory, Tables
from tests.fakes.pictures import FakePictures
from tests.fakes.scanner import VIRUS, FakeScanner
from tests.fakes.throttle import FakeThrottle
from tests.images import a_jpeg, a_picture


class LostAnswers(FakeDatabase):
    """The next commit happens, but nobody is told so."""

    lost = False

    @override
    def commit(self, tables: Tables) -> None:
        super().commit(tables)
        if self.lost:
            self.lost = False
            raise StorageUnavailable


class Studio:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.database = LostAnswers()
        self.work = FakeWorkFactory(self.database)
        self.pictures = FakePictures()
        self.scanner = FakeScanner()
        self.change = ChangePicture(
            work=self.work,
            reading=FakeReading(self.database),
            pictures=self.pictures,
            scanner=self.scanner,
            throttle=FakeThrottle(self.clock),
            clock=self.clock,
            max_mb=1,
        )

    async def someone(self) -> UserId:
        user = a_user()
        async with self.work() as w:
            w.users.add(user)
            await w.commit()
        return user.id

    def sent(self, name: str = "me.png", content: bytes | None = None) -> IncomingPicture:
        path = self.folder / "sent"
        path.write_bytes(a_picture() if content is None else content)
        return IncomingPicture(name, path, path.stat().st_size)

    @property
    def shown(self) -> str:
        (user,) = self.database.tables.users.values()
        assert user.profile is not None
        return user.profile.avatar_url

    @property
    def kept(self) -> set[str]:
        return {PLACE + name for name in self.pictures.kept} - {DEFAULT_PICTURE}


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_what_is_refused_in_the_end_is_refused_while_it_comes(studio: Studio) -> None:
    with pytest.raises(FileTypeNotAllowed):
        studio.change.welcome("me.gif")
    growing = studio.change.welcome("me.PNG")
    growing(MB)
    with pytest.raises(FileTooLarge):
        growing(MB + 1)


async def test_the_new_one_is_shown_and_the_former_one_goes(studio: Studio) -> None:
    ann = await studio.someone()
    first = await studio.change(ann, studio.sent())
    assert (studio.shown, studio.kept) == (first, {first})
    second = await studio.change(ann, studio.sent("me.JPEG", a_jpeg()))
    assert (studio.shown, studio.kept) == (second, {second})

    assert [line.details for line in studio.database.tables.log] == [
        {"avatar_url": [DEFAULT_PICTURE, first]},
        {"avatar_url": [first, second]},
    ]


@pytest.mark.parametrize("name", ["me.gif", "me", "", "png", "me.png.exe", "me.png\x00.svg", "me.", "me.svg"])
async def test_other_names_are_refused(studio: Studio, name: str) -> None:
    with pytest.raises(FileTypeNotAllowed, match=r"Invalid file type\."):
        await studio.change(await studio.someone(), studio.sent(name))


async def test_refusals_leave_everything_as_it_was(studio: Studio) -> None:
    ann = await studio.someone()
    shown = await studio.change(ann, studio.sent())
    with pytest.raises(MissingField, match="No file part in the request"):
        await studio.change(ann, None)
    with pytest.raises(FileTooLarge, match=r"File too large\. Maximum size for image files is 1 MB"):
        await studio.change(ann, studio.sent(content=bytes(MB + 1)))
    for content in (b"", b"text", a_jpeg()):
        with pytest.raises(BadFile):
            await studio.change(ann, studio.sent(content=content))
    studio.pictures.full = True
    with pytest.raises(BlobStoreUnavailable):
        await studio.change(ann, studio.sent())

    assert (studio.shown, studio.kept) == (shown, {shown})
    assert len(studio.database.tables.log) == 1


async def test_the_scanner_sees_it_before_anybody_else_looks_into_it(studio: Studio) -> None:
    with pytest.raises(FileInfected):
        await studio.change(await studio.someone(), studio.sent(content=VIRUS))
    assert studio.scanner.seen == [VIRUS]
    assert not studio.kept


async def test_a_commit_that_fails_leaves_the_former_one(studio: Studio) -> None:
    ann = await studio.someone()
    shown = await studio.change(ann, studio.sent())
    studio.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await studio.change(ann, studio.sent())

    assert (studio.shown, studio.kept) == (shown, {shown})


async def test_a_commit_whose_answer_is_lost_keeps_what_the_profile_shows(studio: Studio) -> None:
    ann = await studio.someone()
    studio.database.lost = True
    with pytest.raises(StorageUnavailable):
        await studio.change(ann, studio.sent())

    assert studio.kept == {studio.shown}


async def test_an_orphan_goes_with_a_later_upload(studio: Studio) -> None:
    ann = await studio.someone()
    orphan = await studio.pictures.keep(ann, studio.sent().path, "png")
    studio.pictures.settled.add(orphan)
    shown = await studio.change(ann, studio.sent())

    assert studio.kept == {shown}


async def test_a_former_one_that_will_not_go_is_no_failure(studio: Studio) -> None:
    ann = await studio.someone()
    await studio.change(ann, studio.sent())
    studio.pictures.stuck = True

    assert await studio.change(ann, studio.sent()) == studio.shown


async def test_somebody_elses_picture_is_never_removed(studio: Studio) -> None:
    ann = await studio.someone()
    theirs = await studio.pictures.keep(UserId(ann + 10), studio.sent().path, "png")
    async with studio.work() as w:
        user = await w.users.get(ann)
        assert user is not None
        assert user.profile is not None
        user.profile.avatar_url = PLACE + theirs
        await w.commit()
    await studio.change(ann, studio.sent())

    assert PLACE + theirs in studio.kept


async def test_of_uploads_at_once_exactly_one_picture_remains(studio: Studio) -> None:
    ann = await studio.someone()
    await asyncio.gather(*(studio.change(ann, studio.sent()) for _ in range(8)))

    assert studio.kept == {studio.shown}


async def test_of_nobody_nothing_is_kept(studio: Studio) -> None:
    with pytest.raises(TokenDead):
        await studio.change(UserId(999), studio.sent())

    assert studio.kept == set()


async def test_only_so_many_an_hour_are_decoded(studio: Studio) -> None:
    ann = await studio.someone()
    for n in range(PICTURES.times):
        if n % 2:
            await studio.change(ann, studio.sent())
        else:
            with pytest.raises(BadFile):
                await studio.change(ann, studio.sent(content=b"text"))
        with pytest.raises(FileTypeNotAllowed):  # costs nothing, counts for nothing
            await studio.change(ann, studio.sent("me.gif"))
    shown = studio.shown
    with pytest.raises(RateLimited) as refusal:
        await studio.change(ann, studio.sent())
    assert (studio.shown, studio.kept) == (shown, {shown})
    studio.clock.pass_(seconds=refusal.value.retry_after)
    assert await studio.change(ann, studio.sent()) != shown
