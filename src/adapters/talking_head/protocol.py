"""What an avatar instance answers, quirks included: backends were written for a lip-sync server that refuses
with status 200 and a `code`, and knows sessions by JSON integers alone."""

import asyncio
import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from adapters.loopback import Answer, Asked, Refusal, Route
from adapters.talking_head.audience import Audience, AudienceFull, BadOffer, Viewer
from adapters.talking_head.sounds import NotASound, played
from adapters.talking_head.speech import TooMuchToSay

OFFER_MAX = 128 * 1024
SOUND_MAX = 12 * 1024 * 1024
TEXT_MAX = 8000  # characters
DRAWN_S = 10.0  # how long an offer waits for the face
STARTING = "The avatar is still starting"

log = logging.getLogger(__name__)


def refused(refusal: Refusal) -> Answer:
    """Trouble of the transport keeps its status; trouble with a request that was understood is 200."""
    status = 200 if refusal.status in (400, 500) else refusal.status
    return _no(refusal.message, status)


def _ok(**more: object) -> Answer:
    return Answer.json({"code": 0, "msg": "ok", **more})


def _no(message: str, status: int = 200) -> Answer:
    return Answer.json({"code": -1, "msg": message}, status)


@dataclass(eq=False, slots=True, kw_only=True)
class Protocol:
    """`drawn` is set when there is a face to show."""

    audience: Audience
    drawn: asyncio.Event
    recordings: Path | None = None  # None: a private folder of the system's own, made when it is needed
    _folder: Path | None = field(default=None, init=False)

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/health", self.health, ignores_body=True),
            Route("POST", "/offer", self.offer, OFFER_MAX),
            Route("POST", "/human", self.human),
            Route("POST", "/humanaudio", self.humanaudio, SOUND_MAX),
            Route("POST", "/interrupt_talk", self.interrupt_talk),
            Route("POST", "/is_speaking", self.is_speaking),
            Route("POST", "/set_audiotype", self.set_audiotype),
            Route("POST", "/record", self.record),
        )

    async def health(self, _: Asked) -> Answer:
        sessions, most = len(self.audience), self.audience.limit
        return Answer.json(
            {"status": "healthy", "service": "webrtc", "sessions": sessions, "max_sessions": most}
        )

    async def offer(self, asked: Asked) -> Answer:
        try:
            async with asyncio.timeout(DRAWN_S):
                await self.drawn.wait()
        except TimeoutError:
            return _no(STARTING, 503)
        try:
            given = asked.json()
            sdp = given.get("sdp")
            if not isinstance(sdp, str) or given.get("type") != "offer":
                raise BadOffer
            number, answer = await self.audience.admit(sdp)
        except (BadOffer, Refusal):
            return Answer(500, b"The offer cannot be answered")
        except AudienceFull:
            return _no("reach max session")
        return Answer.json({"sdp": answer, "type": "answer", "sessionid": number})

    async def human(self, asked: Asked) -> Answer:
        given = asked.json()
        if not self.audience.studio.is_ready:
            return _no(STARTING, 503)
        viewer = self._viewer(given.get("sessionid"))
        text = given.get("text")
        if given.get("type", "echo") != "echo" or not isinstance(text, str):
            return _no("Only a text to echo can be said")
        if len(text) > TEXT_MAX:
            return _no("The text is too long")
        if given.get("interrupt") is True:
            viewer.speech.hush()
        if not text.strip():
            return _ok()
        try:
            viewer.speech.say(text)
        except TooMuchToSay:
            return _no("Too much is waiting to be said")
        return _ok()

    async def humanaudio(self, asked: Asked) -> Answer:
        fields, files = asked.form()
        digits = fields.get("sessionid", "")
        viewer = self._viewer(int(digits) if digits.isascii() and digits.isdecimal() else digits)
        if "file" not in files:
            return _no("No file was sent")
        try:
            viewer.speech.say(await asyncio.to_thread(played, files["file"].content))
        except NotASound:
            return _no("The file cannot be played")
        except TooMuchToSay:
            return _no("Too much is waiting to be said")
        return _ok()

    async def interrupt_talk(self, asked: Asked) -> Answer:
        self._viewer(asked.json().get("sessionid")).speech.hush()
        return _ok()

    async def is_speaking(self, asked: Asked) -> Answer:
        viewer = self._viewer(asked.json().get("sessionid"))
        return Answer.json({"code": 0, "data": viewer.speech.is_speaking})

    async def set_audiotype(self, asked: Asked) -> Answer:
        """Elsewhere it chooses the film that is shown in silence; there is one way of being silent here."""
        self._viewer(asked.json().get("sessionid"))
        return _ok()

    async def record(self, asked: Asked) -> Answer:
        given = asked.json()
        viewer = self._viewer(given.get("sessionid"))
        if given.get("type") == "start_record":
            await self.audience.record(viewer, self._recordings())
        elif given.get("type") == "end_record":
            await self.audience.end_record(viewer)
        else:
            return _no("A recording can be started and ended")
        return _ok()

    def _viewer(self, number: object) -> Viewer:
        viewer = self.audience.viewer(number)
        if viewer is None:
            shown = number if type(number) is int else str(number)[:20]
            raise Refusal(404, f"Session {shown} not found or expired")
        return viewer

    def _recordings(self) -> Path:
        if self._folder is None:
            if self.recordings:
                self.recordings.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = self.recordings or Path(tempfile.mkdtemp(prefix="virtual-tutor-recordings-"))
            log.info("recordings go to %s", self._folder)
        return self._folder
