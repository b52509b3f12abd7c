from io import BytesIO
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

from adapters.talking_head.canvas import Canvas, Path, oval, shaded
from adapters.talking_head.idling import Idling
from adapters.talking_head.looks import ADA, LOOKS, Look, preview
from adapters.talking_head.mouths import REST, Mouth
from adapters.talking_head.portrait import MOUTH, portrait
from adapters.talking_head.sprites import CONTACTS, LIDS, POSES, STRAIGHT, Face, Sprites, mouth_index
from domain.avatar import avatar_name
from domain.catalogue import acceptable_style


@pytest.fixture(scope="module")
def ada() -> Sprites:
    sprites = Sprites(ADA.features)
    sprites.draw()
    return sprites


def test_looks_have_names_and_styles_that_the_catalogue_takes() -> None:
    assert len(LOOKS) >= 3
    for name, look in LOOKS.items():
        assert avatar_name(name) == look.name
        for field, text in (("timbre", look.timbre), ("tts_model", look.tts_model)):
            assert acceptable_style(field, text)
        assert acceptable_style("avatar_model", look.avatar_model)
        assert look.description


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_preview_is_a_picture_of_the_look(look: Look) -> None:
    picture = Image.open(BytesIO(preview(look)))

    assert picture.format == "PNG"
    assert picture.size == (512, 512)
    assert np.asarray(picture).std() > 30


def test_looks_are_really_different() -> None:
    pictures = [np.asarray(portrait(look.features), np.int16) for look in LOOKS.values()]
    tones = [look.tone for look in LOOKS.values()]

    for one, other in combinations(pictures, 2):
        assert np.abs(one - other)[100:400, 120:392].mean() > 25  # the face, not the backdrop
    for tone, another in combinations(tones, 2):
        assert abs(tone.size / another.size - 1) > 0.07


def test_a_frame_is_the_picture_in_yuv(ada: Sprites) -> None:
    frame = ada.frame(Face(STRAIGHT, 0, REST))
    grey = np.asarray(portrait(ADA.features).convert("L"), np.float64)

    assert frame.shape == (768, 512)
    assert frame.dtype == np.uint8
    expected = 16 + grey * 219 / 255
    assert np.abs(frame[:512].astype(np.int16) - expected).mean() < 3


def test_only_the_mouth_changes_while_it_speaks(ada: Sprites) -> None:
    rest = ada.frame(Face(STRAIGHT, 0, REST)).astype(np.int16)
    wide = ada.frame(Face(STRAIGHT, 0, Mouth(0.95, 0.15))).astype(np.int16)

    changed = np.argwhere(np.abs(rest - wide)[:512] > 2)
    left, top, right, bottom = MOUTH
    assert len(changed) > 1000
    assert changed.min(0).tolist() >= [top, left]
    assert (changed.max(0) < [bottom, right]).all()


def test_every_mouth_and_every_lid_looks_different(ada: Sprites) -> None:
    mouths = [Mouth(opening, 0.15) for opening in (0.0, 0.24, 0.54, 0.95)]
    mouths += [Mouth(0.54, -1.0), *(mouth for _, mouth in CONTACTS)]
    frames = [ada.frame(Face(STRAIGHT, 0, mouth)).tobytes() for mouth in mouths]
    frames += [ada.frame(Face(STRAIGHT, eyes, REST)).tobytes() for eyes in range(1, len(LIDS))]

    assert len(set(frames)) == len(frames)


def test_until_its_poses_are_drawn_the_head_keeps_still() -> None:
    sprites = Sprites(ADA.features)
    sprites.draw()
    straight = sprites.frame(Face(STRAIGHT, 0, REST))
    assert (sprites.frame(Face(0, 0, REST)) == straight).all()

    wanted = iter([True])
    sprites.draw_others(lambda: next(wanted, False))

    assert (sprites.frame(Face(0, 0, REST)) != straight).any()
    assert (sprites.frame(Face(1, 0, REST)) == straight).all()


def test_the_nearest_mouth_is_shown() -> None:
    assert mouth_index(Mouth(0.0, 0.1)) == mouth_index(REST)
    assert mouth_index(Mouth(0.9, 0.2)) == mouth_index(Mouth(1.0, 0.1))
    assert mouth_index(Mouth(0.5, 0.0, "lips")) == mouth_index(Mouth(0.0, 0.9, "lips"))


def test_eyes_blink_now_and_then() -> None:
    idling = Idling(7)
    lids = [idling.eyes(n / 25) for n in range(25 * 60)]

    blinks = sum(before == 0 and after > 0 for before, after in pairwise(lids))
    assert 8 <= blinks <= 35  # in a minute
    assert max(lids) == len(LIDS) - 1
    assert lids.count(0) > 0.85 * len(lids)


def test_the_head_moves_a_little_and_never_jumps() -> None:
    idling = Idling(3)
    poses = [idling.pose(n / 25, speaking=n > 700) for n in range(25 * 60)]

    assert 0 <= min(poses) < STRAIGHT < max(poses) < POSES
    assert max(abs(a - b) for a, b in pairwise(poses)) <= 2


def test_two_avatars_do_not_move_as_one() -> None:
    one, other = Idling(1), Idling(2)

    assert [one.pose(n / 5, False) for n in range(200)] != [other.pose(n / 5, False) for n in range(200)]


def test_what_lies_outside_of_a_canvas_is_not_drawn() -> None:
    canvas = Canvas((100, 100, 140, 120))
    canvas.fill(oval(20, 20, 10, 10), ((255, 0, 0), (0, 0, 255)))
    canvas.soft(400, 400, 20, 20, (255, 0, 0), 1.0)
    assert not np.asarray(canvas.finished()).any()

    canvas.fill(Path(90, 90).to((150, 90), (150, 130), (90, 130)), (10, 20, 30))
    canvas.soft(105, 105, 30, 30, (255, 0, 0), 1.0)
    finished = np.asarray(canvas.finished())
    assert finished.shape == (20, 40, 4)
    assert (finished[..., 3] == 255).all()
    assert finished[5, 5, 0] > 200
    assert finished[-1, -1, 0] < 30


def test_shading() -> None:
    assert shaded((100, 50, 0), 0.5) == (50, 25, 0)
    assert shaded((100, 50, 0), 1.5) == (178, 152, 128)
