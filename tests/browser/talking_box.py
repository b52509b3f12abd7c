"""An avatar instance that can be seen and heard: a box that changes its shade while a tone sounds."""

import asyncio
import json
import math
import time
from array import array

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame
from typing_extensions import override

from adapters.talking_head.ice import offer_loopback_too
from tests.servers.avatar_instance import AvatarInstanceServer
from tests.servers.http import Exchange, Received

LETTERS_PER_S = 15.0
TONE_HZ, LOUDNESS = 440, 8000
SIZE = 512


class Speech:
    """Until when a viewer is spoken to."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def sounds(self) -> bool:
        return time.monotonic() < self._until

    def add(self, text: str) -> None:
        self._until = max(self._until, time.monotonic()) + len(text) / LETTERS_PER_S

    def stop(self) -> None:
        self._until = 0.0


class Tone(AudioStreamTrack):
    def __init__(self, speech: Speech) -> None:
        super().__init__()
        self._speech = speech

    @override
    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        if self._speech.sounds:
            turn = 2 * math.pi * TONE_HZ / frame.sample_rate
            wave = array("h", (round(LOUDNESS * math.sin(turn * n)) for n in range(frame.samples)))
            frame.planes[0].update(wave.tobytes())
        return frame


class Box(VideoStreamTrack):
    def __init__(self, speech: Speech) -> None:
        super().__init__()
        self._speech = speech

    @override
    async def recv(self) -> VideoFrame:
        pts, base = await self.next_timestamp()
        frame = VideoFrame(SIZE, SIZE, "yuv420p")
        shade = 64 + 128 * (round(time.monotonic() * 8) % 2) if self._speech.sounds else 128
        for plane, value in zip(frame.planes, (shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, base
        return frame


class TalkingBox(AvatarInstanceServer):
    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._lines: dict[int, RTCPeerConnection] = {}
        self._speeches: dict[int, Speech] = {}

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        if request.path == "/offer":
            session = self._next
            self._next += 1
            return await exchange.json(200, await self._connected(session, request.json()))
        if request.path in ("/human", "/interrupt_talk"):
            self._tell(request)
        await super().respond(request, exchange)

    @override
    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(line.close() for line in self._lines.values()))
        await super().__aexit__(*exception)

    async def _connected(self, session: int, offer: dict[str, str]) -> dict[str, object]:
        offer_loopback_too()
        line, speech = RTCPeerConnection(), Speech()
        self._lines[session], self._speeches[session] = line, speech
        self.sessions.add(session)
        tracks: tuple[MediaStreamTrack, ...] = (Box(speech), Tone(speech))
        for track in tracks:
            line.addTrack(track)
        await line.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await line.setLocalDescription(await line.createAnswer())
        return {"sdp": line.localDescription.sdp, "type": "answer", "sessionid": session}

    def _tell(self, request: Received) -> None:
        body = json.loads(request.body)
        speech = self._speeches.get(body["sessionid"])
        if speech is not None and request.path == "/human":
            speech.add(body["text"])
        elif speech is not None:
            speech.stop()
