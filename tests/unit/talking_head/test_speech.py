import numpy as np
import pytest

from adapters.talking_head.looks import LOOKS
from adapters.talking_head.mouths import hummed
from adapters.talking_head.speech import (
    CHARACTERS_MOST,
    SOUND_MOST,
    WAITING_MOST,
    Speech,
    Studio,
    TooMuchToSay,
)
from adapters.talking_head.stage import Stage
from adapters.talking_head.voice import RATE, Utterance


def quiet(seconds: float) -> Utterance:
    sound = np.zeros(round(seconds * RATE), np.int16)
    return Utterance(sound, hummed(sound, RATE))


@pytest.fixture
def speech() -> Speech:
    """Nobody says what is asked of it: all of it waits."""
    return Speech(Stage(), Studio(next(iter(LOOKS.values())).tone))


def test_only_so_much_sound_may_wait(speech: Speech) -> None:
    for _ in range(3):
        speech.say(quiet(SOUND_MOST / 3))
    with pytest.raises(TooMuchToSay):
        speech.say(quiet(0.1))

    speech.say("A text is small.")
    speech.hush()
    speech.say(quiet(SOUND_MOST))


def test_only_so_much_text_may_wait(speech: Speech) -> None:
    speech.say("a" * CHARACTERS_MOST)
    with pytest.raises(TooMuchToSay):
        speech.say("a")

    speech.hush()
    for _ in range(WAITING_MOST):
        speech.say("a")
    with pytest.raises(TooMuchToSay):
        speech.say("a")
