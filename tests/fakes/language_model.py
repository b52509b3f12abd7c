import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from itertools import count

from typing_extensions import override

from application.ports.language_model import LanguageModel, Model, Prompt, UnknownModel
from domain.errors import DomainError


class FakeLanguageModel(LanguageModel):
    """Says its pieces, as far and as fast as it is let.

    `fails_with` is raised after `fails_after` pieces (None: after all of them). With `hold_after` n it falls
    silent before piece n (0-based) until `release()`. `unwell` is what `check` and `models` raise, `listed`
    what there is.
    """

    def __init__(self, *pieces: str, name: str = "fake model") -> None:
        self.name = name
        self.remembers = False
        self.pieces: list[str] = list(pieces) or ["Hello", ", ", "world", "."]
        self.fails_with: DomainError | None = None
        self.fails_after: int | None = None
        self.hold_after: int | None = None
        self.unwell: DomainError | None = None
        self.listed: list[Model] = []
        self.prompts: list[Prompt] = []  # one per stream that was begun
        self.said = 0  # pieces handed out, over all streams
        self.speaking = 0  # streams open now
        self.closed_early = 0  # streams that the caller ended
        self._free = asyncio.Event()

    def release(self) -> None:
        self._free.set()

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.prompts.append(prompt)
        self.speaking += 1
        try:
            for n in count():
                if n == self.hold_after:
                    await self._free.wait()
                if self.fails_with and n == (
                    len(self.pieces) if self.fails_after is None else self.fails_after
                ):
                    raise self.fails_with
                if n >= len(self.pieces):
                    return
                await asyncio.sleep(0)
                if self.pieces[n]:
                    self.said += 1
                    yield self.pieces[n]
        except (GeneratorExit, asyncio.CancelledError):
            self.closed_early += 1
            raise
        finally:
            self.speaking -= 1

    @override
    async def check(self) -> None:
        if self.unwell:
            raise self.unwell

    @override
    async def models(self) -> Sequence[Model]:
        if self.unwell:
            raise self.unwell
        return self.listed

    @override
    async def activate(self, model: str) -> str | None:
        if model not in [one.name for one in self.listed]:
            raise UnknownModel(f"no model {model}")
        self.listed = [replace(one, active=one.name == model) for one in self.listed]
        return None
