"""The viewers of one avatar: each with a peer connection, a clock and a queue of things to say of his own."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from adapters.talking_head.ice import without_hidden_candidates
from adapters.talking_head.idling import Idling
from adapters.talking_head.recording import Recording
from adapters.talking_head.speech import Speech, Studio
from adapters.talking_head.sprites import Picture, Sprites
from adapters.talking_head.stage import Stage
from adapters.talking_head.tracks import PictureTrack, SoundTrack
from adapters.talking_head.voice import Sound

CONNECT_S = 30.0  # a viewer who has not connected by then will not
CODECS = ("audio/opus", "video/VP8", "video/rtx")  # every browser has them; H.264 would be GPL code at work
ANSWER_S = 20.0  # for gathering candidates and asking STUN servers
_MEDIA = re.compile(r"^m=(\w+)", re.MULTILINE)

log = logging.getLogger(__name__)


class AudienceFull(Exception):
    """As many viewers as there may be."""


class BadOffer(Exception):
    """No session description that could be answered."""


@dataclass(eq=False, slots=True)
class Viewer:
    """One peer connection and what belongs to it."""

    number: int
    peer: RTCPeerConnection
    stage: Stage
    speech: Speech
    recording: Recording | None = None
    talking: asyncio.Task[None] | None = None
    patience: asyncio.TimerHandle | None = None

    def hear(self, sample: int, sound: Sound | None) -> None:
        if self.recording:
            self.recording.hear(sample, sound)

    def see(self, number: int, picture: Picture) -> None:
        if self.recording:
            self.recording.see(number, picture)


@dataclass(eq=False, slots=True, kw_only=True)
class Audience:
    sprites: Sprites
    studio: Studio
    limit: int
    ice_servers: tuple[RTCIceServer, ...] = ()
    _viewers: dict[int, Viewer] = field(default_factory=dict)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._viewers)

    def viewer(self, number: object) -> Viewer | None:
        """By the number `admit` gave, which must be a number and not its digits."""
        return self._viewers.get(number) if type(number) is int else None

    async def admit(self, sdp: str) -> tuple[int, str]:
        """The number of the new viewer and the answer to his offer. Raises AudienceFull, BadOffer."""
        if len(self._viewers) >= self.limit:
            raise AudienceFull
        media = _MEDIA.findall(sdp)
        if ("video" not in media and "audio" not in media) or len(media) != len(set(media)):
            raise BadOffer  # every further medium would cost sockets
        viewer = self._seated()
        try:
            async with asyncio.timeout(ANSWER_S):
                await viewer.peer.setRemoteDescription(
                    RTCSessionDescription(without_hidden_candidates(sdp), "offer")
                )
                await viewer.peer.setLocalDescription(await viewer.peer.createAnswer())
        except BaseException as error:
            await self._dismiss(viewer, "no answer")
            if isinstance(error, _NOT_ANSWERED):
                raise BadOffer from error
            raise
        log.info("viewer %d has come, %d of %d", viewer.number, len(self), self.limit)
        return viewer.number, viewer.peer.localDescription.sdp

    async def record(self, viewer: Viewer, folder: Path) -> Path:
        """Begin to write down what this viewer sees and hears; again: the file that is being written."""
        if viewer.recording is None:
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
            viewer.recording = Recording(folder / f"{viewer.number}-{moment}-{secrets.token_hex(3)}.webm")
            viewer.recording.start()
        return viewer.recording.file

    async def end_record(self, viewer: Viewer) -> Path | None:
        """Returns when the file is complete; None when there is none."""
        recording, viewer.recording = viewer.recording, None
        if recording is None:
            return None
        await asyncio.to_thread(recording.stop)
        return recording.file

    async def close(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(self._dismiss(viewer, "the end") for viewer in tuple(self._viewers.values())))
        await asyncio.gather(*self._leaving)

    def _seated(self) -> Viewer:
        """A new viewer with a number nobody has; counts from now on."""
        number = next(
            n for n in iter(lambda: 100_000 + secrets.randbelow(900_000), None) if n not in self._viewers
        )
        peer = RTCPeerConnection(RTCConfiguration(list(self.ice_servers)))
        stage = Stage()
        viewer = Viewer(number, peer, stage, Speech(stage, self.studio))
        self._viewers[number] = viewer
        # We only send: what a viewer might send would be decoded for nobody.
        sounds = peer.addTransceiver(SoundTrack(stage, viewer.hear), "sendonly")
        pictures = peer.addTransceiver(
            PictureTrack(stage, self.sprites, Idling(number), viewer.see), "sendonly"
        )
        for transceiver in (sounds, pictures):
            codecs = RTCRtpSender.getCapabilities(transceiver.kind).codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in CODECS])
        peer.on("connectionstatechange", self._watcher(viewer))
        viewer.talking = asyncio.create_task(viewer.speech.run())
        viewer.patience = asyncio.get_running_loop().call_later(CONNECT_S, self._lose_patience, viewer)
        return viewer

    def _watcher(self, viewer: Viewer) -> Callable[[], None]:
        def look() -> None:
            state = viewer.peer.connectionState
            if state == "connected" and viewer.patience:
                viewer.patience.cancel()
            elif state in ("failed", "closed"):
                self._let_go(viewer, state)

        return look

    def _lose_patience(self, viewer: Viewer) -> None:
        if viewer.peer.connectionState != "connected":
            self._let_go(viewer, "never connected")

    def _let_go(self, viewer: Viewer, why: str) -> None:
        if viewer.number in self._viewers:
            task = asyncio.create_task(self._dismiss(viewer, why))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _dismiss(self, viewer: Viewer, why: str) -> None:
        """Once, however often it is asked for: nothing of the viewer is left afterwards."""
        if self._viewers.pop(viewer.number, None) is None:
            return
        log.info("viewer %d leaves: %s", viewer.number, why)
        if viewer.patience:
            viewer.patience.cancel()
        if viewer.talking:
            viewer.talking.cancel()
        await self.end_record(viewer)
        await viewer.peer.close()


_NOT_ANSWERED = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    TimeoutError,
    OSError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)  # fmt: skip (what aiortc raises for a description it cannot make sense of)
