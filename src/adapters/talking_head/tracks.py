"""Sound and pictures as aiortc asks for them, frame by frame."""

import asyncio
import fractions
import math
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, CodecContext, Packet, VideoFrame
from av.stream import Stream
from typing_extensions import override

from adapters.talking_head.idling import Idling
from adapters.talking_head.sprites import Face, Picture, Sprites
from adapters.talking_head.stage import Stage
from adapters.talking_head.voice import RATE, Sound

PICTURES = 25  # per second
SAMPLES = 960  # of one audio frame: 20 ms, as Opus likes it
VIDEO_CLOCK = 90_000
SOUND_PATIENCE, PICTURE_PATIENCE = 0.1, 0.04  # seconds a frame may be late before some are skipped
OPUS_BITS = 40_000  # per second: plenty for one voice
FADES_OUT = 4  # frames of silence that are encoded before silence is taken as known
_SILENCE = bytes(SAMPLES * 2)


@dataclass(eq=False, slots=True)
class Pace:
    """Which frame comes next, and how long until then. Frame n is due at n × step."""

    step: float
    patience: float
    _next: int = -1

    def next(self, now: float) -> tuple[int, float]:
        """The frame and the seconds to wait for it. Who is late beyond patience goes on where the clock is:
        frames are lost, time is not."""
        if self._next < 0 or now - self._next * self.step > self.patience:
            self._next = math.ceil(now / self.step)
        frame = self._next
        self._next += 1
        return frame, max(0.0, frame * self.step - now)


class Coder:
    """Opus, frame by frame. Silence costs nothing, and it is what an avatar says most of the time."""

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "w")
        self._codec.sample_rate = RATE
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.bit_rate = OPUS_BITS
        self._codec.options = {"application": "voip"}
        self._silent = 0
        self._silence = b""

    def coded(self, sound: Sound | None) -> bytes:
        """SAMPLES of it; None is silence."""
        self._silent = self._silent + 1 if sound is None else 0
        if self._silent > FADES_OUT:
            return self._silence
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(_SILENCE if sound is None else sound.tobytes())
        frame.sample_rate = RATE
        coded = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        if sound is None:
            self._silence = coded
        return coded


class SoundTrack(MediaStreamTrack):
    """Encodes by itself: in another thread, as aiortc does it, the way there costs more than the work."""

    kind = "audio"

    def __init__(self, stage: Stage, witness: Callable[[int, Sound | None], None]) -> None:
        super().__init__()
        self._stage = stage
        self._witness = witness
        self._pace = Pace(SAMPLES / RATE, SOUND_PATIENCE)
        self._coder = Coder()

    @override
    async def recv(self) -> "Packet[Stream]":
        if self.readyState != "live":
            raise MediaStreamError
        number, wait = self._pace.next(self._stage.now())
        if wait:
            await asyncio.sleep(wait)
        sound = self._stage.sound(number * SAMPLES, SAMPLES)
        self._witness(number * SAMPLES, sound)
        packet: Packet[Stream] = Packet(self._coder.coded(sound))
        packet.pts = number * SAMPLES
        packet.time_base = fractions.Fraction(1, RATE)
        return packet


class PictureTrack(MediaStreamTrack):
    kind = "video"

    def __init__(
        self, stage: Stage, sprites: Sprites, idling: Idling, witness: Callable[[int, Picture], None]
    ) -> None:
        super().__init__()
        self._stage = stage
        self._sprites = sprites
        self._idling = idling
        self._witness = witness
        self._pace = Pace(1 / PICTURES, PICTURE_PATIENCE)
        self._shown: tuple[Face, Picture] | None = None

    @override
    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        number, wait = self._pace.next(self._stage.now())
        if wait:
            await asyncio.sleep(wait)
        picture = self._picture(number / PICTURES)
        self._witness(number, picture)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number * VIDEO_CLOCK // PICTURES
        frame.time_base = fractions.Fraction(1, VIDEO_CLOCK)
        return frame

    def _picture(self, at: float) -> Picture:
        pose = self._idling.pose(at, self._stage.ahead() > 0)
        face = Face(pose, self._idling.eyes(at), self._stage.mouth(at))
        if self._shown is None or self._shown[0] != face:
            self._shown = (face, self._sprites.frame(face))
        return self._shown[1]
