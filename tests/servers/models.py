import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable

from tests.servers.http import Exchange, HttpServer
from tests.servers.script import Script
from tests.servers.tutor import answer, pieces

Tell = Callable[[Iterable[object]], Awaitable[None]]


class ModelServer(HttpServer):
    """What the two model protocols share: a reply played as the script says."""

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        super().__init__(port)
        self.script = script or Script()

    def opening(self) -> Iterable[object]:
        return ()

    def piece(self, text: str) -> object:
        raise NotImplementedError

    def closing(self) -> Iterable[object]:
        raise NotImplementedError

    def error(self) -> object:
        raise NotImplementedError

    async def play(self, text: str, exchange: Exchange) -> None:
        script = self.script.directed(text)
        await asyncio.sleep(script.head_after)
        if script.status != 200 or script.content_type != "text/event-stream":
            return await exchange.answer(script.status, script.body, script.content_type, script.headers)
        await exchange.start(script.content_type, script.headers)
        await asyncio.sleep(script.first_after)

        async def tell(events: Iterable[object]) -> None:
            for event in events:
                data = event if isinstance(event, bytes) else _told(event)
                line = script.prefix + data + script.newline * 2
                await exchange.send(line, script.split, script.drip)

        await tell(self.opening())
        await self._say(text, script, exchange, tell)
        await self._end(script, exchange, tell)

    async def _say(self, text: str, script: Script, exchange: Exchange, tell: Tell) -> None:
        said = pieces(answer(text)) if script.pieces is None else script.pieces
        for n, each in enumerate(said):
            await tell([self.piece(each)])
            if n == 0:
                await self._verbatim(script, exchange)
            if script.gap:
                await asyncio.sleep(script.gap)
        if not said:
            await self._verbatim(script, exchange)

    async def _end(self, script: Script, exchange: Exchange, tell: Tell) -> None:
        if script.end in ("mark", "twice", "open"):
            await tell([*self.closing()] * (2 if script.end == "twice" else 1))
        elif script.end == "error":
            await tell([self.error()])
        if script.end in ("open", "hang"):
            await asyncio.Event().wait()
        elif script.end == "reset":
            exchange.reset()
        else:
            await exchange.end()

    async def _verbatim(self, script: Script, exchange: Exchange) -> None:
        for line in script.raw:
            await exchange.send(line, script.split, script.drip)


def _told(event: object) -> bytes:
    try:
        return json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair is only told escaped
        return json.dumps(event).encode()
