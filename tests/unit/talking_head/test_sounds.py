import struct

import numpy as np
import pytest

from adapters.talking_head.sounds import LONGEST, NotASound, played
from adapters.talking_head.tracks import Coder
from adapters.talking_head.voice import RATE
from tests.integration.talking_head.sounds import tones


def test_an_uploaded_sound_is_played_at_our_rate_with_a_mouth() -> None:
    said = played(tones((0.5, 0.5), (0.5, 0.5)))

    assert said.seconds == pytest.approx(2, abs=0.05)
    assert said.mouth.at(0.25).opening == 0
    assert said.mouth.at(0.75).opening > 0.4
    assert np.abs(said.sound[: RATE // 3]).max() < 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF\x00\x00\x00\x00WAVEjunk",
        b"ID3" + bytes(200),
        b"OggS" + bytes(50),
        b"\x1aE\xdf\xa3" + bytes(50),
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
        b"<svg/>",
        tones((0.0, 0.0)),
    ],
)
def test_what_is_no_sound_is_refused(content: bytes) -> None:
    with pytest.raises(NotASound):
        played(content)


def test_silence_is_encoded_once() -> None:
    coder = Coder()
    noise = np.random.default_rng(1).integers(-3000, 3000, 960).astype(np.int16)

    packets = [coder.coded(noise), *(coder.coded(None) for _ in range(10)), coder.coded(noise)]

    assert all(packets)
    assert len(set(packets[6:11])) == 1
    assert len(packets[-1]) > len(packets[-2])


def test_a_sound_too_slow_to_be_one_is_refused() -> None:
    data = bytes(40_000)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 1, 2, 2, 16)
    with pytest.raises(NotASound):
        played(struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + b"data" + data)


def test_of_a_sound_that_is_cut_nothing_more_is_kept() -> None:
    said = played(tones((LONGEST, 0.5), (5.0, 0.5)))

    assert said.seconds == LONGEST
    assert said.sound.base is None
