from dataclasses import dataclass

import pytest

from application.avatars.kept_pictures import KeptPictures
from application.ports.avatar_catalogue import Picture
from domain.avatar import AvatarName

A, B, C = AvatarName("a"), AvatarName("b"), AvatarName("c")


@dataclass
class Watch:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def picture(size: int) -> Picture:
    return Picture(b"x" * size, "image/png")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def kept(watch: Watch) -> KeptPictures:
    return KeptPictures(watch, life_s=600, most_bytes=100)


def test_a_picture_lives_for_its_time(kept: KeptPictures, watch: Watch) -> None:
    kept.put(0, A, picture(10))
    watch.now = 599
    assert kept.get(0, A) == picture(10)
    watch.now = 600
    assert kept.get(0, A) is None


def test_those_not_looked_at_make_room(kept: KeptPictures) -> None:
    for name in (A, B):
        kept.put(0, name, picture(50))
    kept.get(0, A)
    kept.put(0, C, picture(50))
    assert [kept.get(0, name) is not None for name in (A, B, C)] == [True, False, True]


def test_one_that_is_too_large_by_itself_is_not_kept(kept: KeptPictures) -> None:
    kept.put(0, A, picture(101))
    assert kept.get(0, A) is None
    kept.put(0, B, picture(100))
    assert kept.get(0, B)


def test_the_same_one_again_takes_its_place(kept: KeptPictures) -> None:
    for size in (60, 70, 80):
        kept.put(0, A, picture(size))
    assert kept.get(0, A) == picture(80)


def test_another_edition_knows_nothing_of_it(kept: KeptPictures) -> None:
    kept.put(0, A, picture(90))
    assert kept.get(1, A) is None
    kept.put(1, B, picture(90))
    assert kept.get(0, A) is None
    assert kept.get(1, B)
