from dataclasses import dataclass

import numpy as np
import pytest

from adapters.talking_head.mouths import REST, Phone, spoken
from adapters.talking_head.stage import GUARD, Stage
from adapters.talking_head.tracks import Pace
from adapters.talking_head.voice import RATE, Utterance

FRAME = 960


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def utterance(seconds: float, level: int = 1000) -> Utterance:
    sound = np.full(round(seconds * RATE), level, np.int16)
    return Utterance(sound, spoken([Phone("ɑ", seconds)]))


def test_what_is_laid_begins_in_a_moment_and_the_next_one_right_after_it() -> None:
    stage = Stage(Clock())

    first, second = stage.lay(utterance(1)), stage.lay(utterance(1))

    assert first == pytest.approx(GUARD)
    assert second == pytest.approx(first + 1)
    assert stage.ahead() == pytest.approx(GUARD + 2)


def test_after_a_pause_speech_begins_at_once() -> None:
    clock = Clock()
    stage = Stage(clock)
    stage.lay(utterance(1))
    clock.now += 5

    assert stage.ahead() == 0
    assert stage.lay(utterance(1)) == pytest.approx(5 + GUARD)


def test_sound_and_mouth_are_at_the_same_times() -> None:
    stage = Stage(Clock())
    start = stage.lay(utterance(0.5))
    frames = [stage.sound(n * FRAME, FRAME) for n in range(40)]

    heard = [n * FRAME / RATE for n, sound in enumerate(frames) if sound is not None and sound.any()]
    assert heard[0] == pytest.approx(start, abs=0.02)
    assert heard[-1] == pytest.approx(start + 0.48, abs=0.021)
    assert stage.mouth(start + 0.25).opening > 0.8
    assert stage.mouth(start - 0.1) == stage.mouth(start + 0.6) == REST


def test_every_sample_is_given_out_once_also_across_utterances() -> None:
    stage = Stage(Clock())
    stage.lay(utterance(0.333, 1))
    stage.lay(utterance(0.4, 2))

    parts = [stage.sound(n * FRAME, FRAME) for n in range(60)]
    sound = np.concatenate([np.zeros(FRAME, np.int16) if part is None else part for part in parts])

    assert (sound == 1).sum() == round(0.333 * RATE)
    assert (sound == 2).sum() == round(0.4 * RATE)
    assert (np.diff(np.flatnonzero(sound)) == 1).all()


def test_hushing_silences_within_one_frame_and_without_a_click() -> None:
    stage = Stage(Clock())
    stage.lay(utterance(2))
    for n in range(10):
        stage.sound(n * FRAME, FRAME)

    stage.hush()

    fading, after = stage.sound(10 * FRAME, FRAME), stage.sound(11 * FRAME, FRAME)
    assert fading is not None
    assert fading[0] == 1000
    assert fading[300:].max() == 0
    assert np.abs(np.diff(fading)).max() < 50
    assert after is None
    assert stage.ahead() == 0
    assert stage.mouth(0.22) == REST


def test_what_is_over_is_forgotten() -> None:
    clock = Clock()
    stage = Stage(clock)
    for _ in range(100):
        stage.lay(utterance(0.1))
        clock.now += 1
        stage.sound(round(stage.now() * RATE), FRAME)

    assert len(stage._laid) <= 2


def test_frames_come_at_their_times() -> None:
    pace = Pace(0.04, 0.04)

    assert pace.next(0.0) == (0, 0.0)
    for now, number, wait in ((0.001, 1, 0.039), (0.05, 2, 0.03)):
        frame, seconds = pace.next(now)
        assert frame == number
        assert seconds == pytest.approx(wait)


def test_who_is_a_little_late_catches_up_and_who_is_very_late_skips() -> None:
    pace = Pace(0.02, 0.1)
    pace.next(0.0)

    assert pace.next(0.1) == (1, 0.0)  # late, within patience: nothing is lost
    assert pace.next(0.1) == (2, 0.0)
    number, wait = pace.next(3.001)
    assert number == 151
    assert wait == pytest.approx(0.019)


def test_after_skipping_sound_and_pictures_are_together_again() -> None:
    sound, pictures = Pace(0.02, 0.1), Pace(0.04, 0.04)
    for now in (0.0, 0.5, 7.3, 7.31, 12.0):
        heard = sound.next(now)[0] * 0.02
        seen = pictures.next(now)[0] * 0.04

        assert abs(heard - seen) < 0.12
