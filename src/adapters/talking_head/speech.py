"""What one viewer's avatar has to say: texts and sounds in the order they came, each voiced while the one
before is heard."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field

from adapters.talking_head.looks import Tone
from adapters.talking_head.stage import Stage
from adapters.talking_head.voice import Utterance, Voice

AHEAD = 6.0  # seconds of sound made before they are needed
WAITING_MOST = 64  # texts and sounds
CHARACTERS_MOST = 20_000  # of all waiting texts
SOUND_MOST = 120.0  # seconds of all waiting sounds: 11 MB of samples
LOOK = 0.1
WARM_UP = "Ready."

log = logging.getLogger(__name__)


class TooMuchToSay(Exception):
    """So much is waiting already that nothing more is taken."""


class Studio:
    """The one voice of a process, in a thread of its own: viewers take turns piece by piece."""

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voice")
        self._voice: Voice | None = None

    @property
    def is_ready(self) -> bool:
        return self._voice is not None

    async def open(self) -> None:
        """Load the voice, from files that were checked, and clear its throat."""
        self._voice = await asyncio.get_running_loop().run_in_executor(self._thread, self._loaded)

    async def speak(self, text: str) -> AsyncGenerator[Utterance]:
        """Pieces of it, each made when it is asked for."""
        if self._voice is None:
            return
        pieces = self._voice.speak(text)
        loop = asyncio.get_running_loop()
        while (piece := await loop.run_in_executor(self._thread, _next, pieces)) is not None:
            yield piece

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _loaded(self) -> Voice:
        voice = Voice(self._tone)
        for _ in voice.speak(WARM_UP):
            pass
        return voice


def _next(pieces: Iterator[Utterance]) -> Utterance | None:
    return next(pieces, None)


@dataclass(eq=False, slots=True)
class Speech:
    """`run` is what says it; the rest only asks."""

    stage: Stage
    studio: Studio
    _waiting: deque[str | Utterance] = field(default_factory=deque)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: int = 0  # a new one with every hush
    _performing: int | None = None  # the turn of what is being voiced

    @property
    def is_speaking(self) -> bool:
        """Or about to."""
        return self._performing == self._turn or bool(self._waiting) or self.stage.ahead() > 0

    def say(self, what: str | Utterance) -> None:
        """After everything that was asked before. Raises TooMuchToSay."""
        all_of_it = [*self._waiting, what]
        characters = sum(len(each) for each in all_of_it if isinstance(each, str))
        seconds = sum(each.seconds for each in all_of_it if isinstance(each, Utterance))
        if len(all_of_it) > WAITING_MOST or characters > CHARACTERS_MOST or seconds > SOUND_MOST:
            raise TooMuchToSay
        self._waiting.append(what)
        self._more.set()

    def hush(self) -> None:
        """Be silent at once and forget what waits."""
        self._turn += 1
        self._waiting.clear()
        self.stage.hush()

    async def run(self) -> None:
        while True:
            await self._more.wait()
            while self._waiting:
                turn, what = self._turn, self._waiting.popleft()
                self._performing = turn
                try:
                    await self._perform(what, turn)
                except Exception:
                    log.exception("a text could not be voiced")  # never the text itself
                finally:
                    self._performing = None
            self._more.clear()

    async def _perform(self, what: str | Utterance, turn: int) -> None:
        if isinstance(what, Utterance):
            self.stage.lay(what)
            await self._until_needed(turn)
            return
        async with aclosing(self.studio.speak(what)) as pieces:
            async for piece in pieces:
                if turn != self._turn:
                    return
                self.stage.lay(piece)
                await self._until_needed(turn)

    async def _until_needed(self, turn: int) -> None:
        """Return when the next piece should be made, or when nobody wants it any more."""
        while turn == self._turn and self.stage.ahead() > AHEAD:  # noqa: ASYNC110 (a clock's progress)
            await asyncio.sleep(LOOK)
