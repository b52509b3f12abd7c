"""A viewer's browser, as far as an avatar can tell: a peer connection that keeps what it saw and heard."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray

from adapters.talking_head.portrait import MOUTH

LOUD = 300.0  # effective value of a block; the noise between words is far below
OPEN = 0.01  # part of the mouth's surroundings that is as dark as the inside of a mouth
DARK = 80  # brightness; skin, lips and teeth have more
PATIENCE = 30.0  # seconds for what takes one on a machine at rest
Luma = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    at: float  # of arrival
    mouth: Luma

    @property
    def is_open(self) -> bool:
        lips = self.mouth[4:-20, 24:-24]  # without the hair and the neck beside the chin
        return float((lips < DARK).mean()) > OPEN


@dataclass(frozen=True)
class Heard:
    at: float
    loudness: float


T = TypeVar("T", Seen, Heard)


@dataclass
class Watcher:
    """`async with Watcher.connected(http) as watcher`."""

    http: httpx.AsyncClient
    number: int = 0
    size: tuple[int, int] = (0, 0)
    seen: list[Seen] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    peer: RTCPeerConnection = field(
        default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[]))
    )
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> "Watcher":
        try:
            await self._connect()
        except BaseException:
            await self.leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def _connect(self) -> None:
        offer = await self.offer()
        answer = (await self.http.post("/offer", json={"sdp": offer, "type": "offer"})).json()
        self.number = answer["sessionid"]
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await self.until(lambda: bool(self.seen and self.heard))

    async def offer(self) -> str:
        """The session description a browser would send."""
        self.peer.addTransceiver("audio", "recvonly")
        self.peer.addTransceiver("video", "recvonly")
        self.peer.on("track", lambda track: self._tasks.append(asyncio.create_task(self._follow(track))))
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def leave(self) -> None:
        await self.peer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, text: str, **more: object) -> None:
        body = json.dumps({"sessionid": self.number, "text": text, "type": "echo", **more})
        assert (await self.http.post("/human", content=body)).json() == {"code": 0, "msg": "ok"}

    async def interrupt(self) -> None:
        answer = await self.http.post("/interrupt_talk", json={"sessionid": self.number})
        assert answer.json() == {"code": 0, "msg": "ok"}

    async def is_speaking(self) -> bool:
        answer = (await self.http.post("/is_speaking", json={"sessionid": self.number})).json()
        assert answer["code"] == 0
        return bool(answer["data"])

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 (what another process sends)
                await asyncio.sleep(0.02)

    async def until_silent(self) -> None:
        """Nothing loud for half a second."""
        await self.until(lambda: all(heard.loudness < LOUD for heard in self.since(self.heard, 0.5)))

    async def until_loud(self, after: float = 0.0) -> Heard:
        def found() -> list[Heard]:
            return [heard for heard in self.heard if heard.at > after and heard.loudness > LOUD]

        await self.until(lambda: bool(found()))
        return found()[0]

    @staticmethod
    def since(all_of_it: list[T], seconds: float) -> list[T]:
        return [one for one in all_of_it if one.at > time.monotonic() - seconds]

    async def _follow(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            now = time.monotonic()
            if isinstance(frame, VideoFrame):
                self.size = frame.width, frame.height
                left, top, right, bottom = MOUTH
                luma = frame.to_ndarray()[top:bottom, left:right].astype(np.uint8)
                self.seen.append(Seen(now, luma))
            elif isinstance(frame, AudioFrame):
                sound = frame.to_ndarray().astype(np.float32)
                loudness = float(np.sqrt((sound**2).mean()))
                self.heard.append(Heard(now, loudness))
