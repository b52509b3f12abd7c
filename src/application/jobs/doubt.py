import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Doubt:
    """Whether the jobs that are being done in this process are still ours. Who does one asks now and then;
    when doubt is cast all of them ask at once."""

    _doing: set[asyncio.Event] = field(default_factory=set, init=False)

    def cast(self) -> None:
        for one in self._doing:
            one.set()

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Is set when doubt is cast, as long as the context lasts."""
        event = asyncio.Event()
        self._doing.add(event)
        try:
            yield event
        finally:
            self._doing.discard(event)
