"""What a viewer saw and heard, as a WebM file, written by a thread that media never waits for."""

import logging
import queue
import threading
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioFrame, VideoFrame

from adapters.talking_head.canvas import SIZE
from adapters.talking_head.sprites import Picture
from adapters.talking_head.tracks import PICTURES, SAMPLES
from adapters.talking_head.voice import RATE, Sound

LONGEST = 600.0  # seconds
BEHIND = 150  # frames that may wait to be written; what comes then is left out
VIDEO_BITS = 500_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    number: int
    picture: Picture

    @property
    def at(self) -> float:
        return self.number / PICTURES


@dataclass(frozen=True, slots=True)
class _Heard:
    sample: int
    sound: Sound | None

    @property
    def at(self) -> float:
        return self.sample / RATE


@dataclass(eq=False, slots=True)
class Recording:
    """From `start` to `stop`, or until LONGEST."""

    file: Path
    _waiting: "queue.Queue[_Seen | _Heard | None]" = field(default_factory=lambda: queue.Queue(BEHIND))
    _thread: threading.Thread | None = None
    _over: bool = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def hear(self, sample: int, sound: Sound | None) -> None:
        self._take(_Heard(sample, sound))

    def see(self, number: int, picture: Picture) -> None:
        self._take(_Seen(number, picture))

    def stop(self) -> None:
        """Returns when the file is complete; not for the event loop."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()

    def _take(self, part: _Seen | _Heard) -> None:
        if not self._over and not self._waiting.full():
            self._waiting.put_nowait(part)

    def _run(self) -> None:
        try:
            ended = self._write()
        except (av.FFmpegError, OSError):
            log.exception("a recording could not be written")
            ended = False
        self._over = True
        while not ended and self._waiting.get() is not None:
            pass  # until whoever stops us has been heard

    def _write(self) -> bool:
        """Whether the end was asked for."""
        with av.open(str(self.file), "w", format="webm") as file:
            video = file.add_stream("libvpx", rate=PICTURES)
            video.width = video.height = SIZE
            video.pix_fmt = "yuv420p"
            video.bit_rate = VIDEO_BITS
            video.options = {"deadline": "realtime", "cpu-used": "8"}
            audio = file.add_stream("libopus", rate=RATE)
            began: float | None = None
            while (part := self._waiting.get()) is not None:
                began = part.at if began is None else began
                if part.at - began > LONGEST:
                    break
                if isinstance(part, _Seen):
                    file.mux(video.encode(_picture(part, began)))
                elif part.at >= began:
                    file.mux(audio.encode(_sound(part, began)))
            file.mux(video.encode(None))
            file.mux(audio.encode(None))
            return part is None


def _picture(part: _Seen, began: float) -> VideoFrame:
    frame = VideoFrame.from_ndarray(part.picture, format="yuv420p")
    frame.pts, frame.time_base = max(0, part.number - round(began * PICTURES)), Fraction(1, PICTURES)
    return frame


def _sound(part: _Heard, began: float) -> AudioFrame:
    sound = np.zeros(SAMPLES, np.int16) if part.sound is None else part.sound
    frame = AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = RATE
    frame.pts, frame.time_base = part.sample - round(began * RATE), Fraction(1, RATE)
    return frame
