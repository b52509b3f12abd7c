from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from application.avatars.add_avatar import AddAvatar, Sent, Wish
from application.avatars.delete_avatar import DeleteAvatar
from application.ports.avatar_catalogue import CreationRejected
from application.ports.persistence import Account
from application.ports.scanner import FileInfected
from domain.avatar import AvatarName, InvalidAvatarName
from domain.catalogue import Look, Part
from domain.document import BadFile, FileTooLarge, FileTypeNotAllowed
from domain.errors import InvalidField, MissingField
from domain.user import Role, UserId
from tests.fakes.avatar_catalogue import FakeAvatarCatalogue
from tests.fakes.scanner import VIRUS, FakeScanner

TIM = Account(UserId(3), "tim@school.org", Role.TUTOR, banned=False)
MP4 = b"\x00\x00\x00\x18ftypisom"
WAV = b"RIFF....WAVE"


@dataclass
class Studio:
    folder: Path
    catalogue: FakeAvatarCatalogue = field(default_factory=FakeAvatarCatalogue)
    scanner: FakeScanner = field(default_factory=FakeScanner)
    largest: Mapping[Part, int] = field(default_factory=lambda: {Part.FACE: 1, Part.VOICE: 1})

    def __post_init__(self) -> None:
        self.add = AddAvatar(catalogue=self.catalogue, scanner=self.scanner, max_mb=self.largest)
        self.delete = DeleteAvatar(catalogue=self.catalogue)

    def sent(self, name: str, content: bytes) -> Sent:
        path = self.folder / name
        path.write_bytes(content)
        return Sent(name, path, len(content))

    @property
    def wish(self) -> Wish:
        return Wish(name="new", files={"prompt_face": self.sent("face.mp4", MP4)})


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


async def test_what_was_wished_is_made(studio: Studio) -> None:
    files = {**studio.wish.files, "prompt_voice": studio.sent("v.wav", WAV), "other": studio.sent("x", b"x")}
    wish = replace(studio.wish, files=files, timbre="Male A", avatar_model="WAV2LIP", ref_text="Hi")
    await studio.add(TIM, wish)
    (made,) = studio.catalogue.made
    assert (made.name, made.timbre, made.avatar_model, made.ref_text) == ("new", "Male A", "WAV2LIP", "Hi")
    assert made.face.extension == "mp4"
    assert made.voice
    assert (made.voice.extension, made.voice.size) == ("wav", len(WAV))
    assert (made.tts_model, made.avatar_blur, made.description) == (None, None, None)


async def test_a_refusal_is_passed_on(studio: Studio) -> None:
    studio.catalogue.looks[AvatarName("new")] = Look()
    with pytest.raises(CreationRejected):
        await studio.add(TIM, studio.wish)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"name": None}, MissingField),
        ({"name": "a/b"}, InvalidAvatarName),
        ({"name": "token"}, InvalidAvatarName),
        ({"files": {}}, MissingField),
        ({"timbre": "a;b"}, InvalidField),
        ({"tts_model": "$x"}, InvalidField),
        ({"avatar_model": "other"}, InvalidField),
        ({"description": "x" * 501}, InvalidField),
        ({"ref_text": "x" * 1001}, InvalidField),
        ({"description": "\x00"}, InvalidField),
    ],
)
async def test_every_word_is_checked(
    studio: Studio, change: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await studio.add(TIM, replace(studio.wish, **change))  # type: ignore[arg-type]  # any field
    assert studio.catalogue.asked == 0


@pytest.mark.parametrize(
    ("part", "name", "content", "refusal"),
    [
        ("prompt_face", "face.exe", MP4, FileTypeNotAllowed),
        ("prompt_face", "face.<b>", MP4, FileTypeNotAllowed),
        ("prompt_face", "face.mp4", b"x", BadFile),
        ("prompt_face", "face.mp4", MP4 + bytes(1024 * 1024), FileTooLarge),
        ("prompt_voice", "voice.mp4", MP4, FileTypeNotAllowed),
        ("prompt_voice", "voice.m4a", WAV, BadFile),
    ],
)
async def test_every_file_is_looked_at(
    studio: Studio, part: str, name: str, content: bytes, refusal: type[Exception]
) -> None:
    files = {
        **studio.wish.files,
        part: Sent(name.replace("/", ""), studio.sent("x", content).path, len(content)),
    }
    with pytest.raises(refusal) as caught:
        await studio.add(TIM, replace(studio.wish, files=files))
    assert "<" not in str(caught.value)
    assert studio.catalogue.asked == 0


@pytest.mark.parametrize("part", ["prompt_face", "prompt_voice"])
async def test_the_scanner_sees_a_file_before_anybody_else_looks_into_it(studio: Studio, part: str) -> None:
    extension = {"prompt_face": "mp4", "prompt_voice": "wav"}[part]
    files = {**studio.wish.files, part: studio.sent(f"x.{extension}", VIRUS)}
    with pytest.raises(FileInfected):
        await studio.add(TIM, replace(studio.wish, files=files))
    assert studio.scanner.seen[-1] == VIRUS
    assert studio.catalogue.asked == 0


def test_sizes_are_checked_while_files_grow(studio: Studio) -> None:
    most = 1024 * 1024
    for part, kind in ((Part.FACE, "clip"), (Part.VOICE, "audio")):
        studio.add.require_size(part, most)
        with pytest.raises(FileTooLarge, match=f"Maximum size for {kind} files is 1 MB"):
            studio.add.require_size(part, most + 1)


async def test_deleting_names_one_that_could_exist(studio: Studio) -> None:
    studio.catalogue.looks[AvatarName("old")] = Look()
    assert await studio.delete(TIM, "old") == "Avatar old deleted"
    with pytest.raises(InvalidAvatarName):
        await studio.delete(TIM, "../x")
