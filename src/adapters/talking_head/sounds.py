"""Sounds that somebody uploads for the avatar to play."""

from io import BytesIO

import av
from av import AudioFrame, AudioResampler

from adapters.talking_head.mouths import hummed
from adapters.talking_head.voice import RATE, Utterance, joined

LONGEST = 120.0  # seconds; the rest is not decoded
SLOWEST = 4000  # samples a second: of a slower sound, one frame could become hours of ours
# The demuxer is chosen here and not guessed by FFmpeg: some of its formats name further files to open.
_KINDS = ((b"OggS", "ogg"), (b"fLaC", "flac"), (b"ID3", "mp3"), (b"\x1aE\xdf\xa3", "matroska"))


class NotASound(Exception):
    """Nothing that can be played: of an unknown kind, broken, or empty."""


def played(content: bytes) -> Utterance:
    """WAV, MP3, M4A, Ogg, FLAC or WebM, with a mouth that follows its loudness. Raises NotASound."""
    kind = _kind(content)
    try:
        with av.open(BytesIO(content), "r", format=kind) as file:
            resampler = AudioResampler("s16", "mono", RATE)
            frames: list[AudioFrame] = []
            samples = 0
            for frame in file.decode(audio=0):
                if frame.sample_rate < SLOWEST:
                    raise NotASound
                frames += resampler.resample(frame)
                samples = sum(part.samples for part in frames[-1:]) + samples
                if samples > LONGEST * RATE:
                    break
            frames += resampler.resample(None)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise NotASound from error
    sound = joined(frames)[: round(LONGEST * RATE)].copy()  # and not a view that keeps all of it
    if not len(sound):
        raise NotASound
    return Utterance(sound, hummed(sound, RATE))


def _kind(content: bytes) -> str:
    for begin, kind in _KINDS:
        if content.startswith(begin):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "wav"
    if content[4:8] == b"ftyp":
        return "mp4"
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0:
        return "aac" if content[1] & 0x06 == 0 else "mp3"
    raise NotASound
