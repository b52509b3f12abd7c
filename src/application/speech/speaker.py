"""One reply, spoken by its student's avatar while it is generated. It follows the log like any reader: it may
be late, fail or be cut short, and no token waits for it."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from application.avatars.confirm import ConfirmLease
from application.chat.feed import Reader
from application.chat.reply import AvatarState
from application.chat.running import RunningReply
from application.ports.avatar_instances import (
    AvatarInstances,
    InstanceStarting,
    InstanceTimeout,
    InstanceUnreachable,
)
from application.ports.avatar_leases import AvatarLeases
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.speech_floor import SpeechFloor
from application.speech.segments import Segment
from application.speech.speech import Speech
from domain.avatar import Lease, NoAvatar, RtcSession, RtcSessionGone
from domain.errors import DomainError
from domain.speech import Delivery
from domain.user import UserId

log = logging.getLogger(__name__)

WITHIN_S, LAST_WITHIN_S = 3.0, 5.0
FAILURES_MAX, PAUSE_S = 3, 0.2
RECOVERY_S, LOOK_S = 30.0, 0.5  # how long we wait for the student's browser to connect anew


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whom the avatar speaks to."""

    lease: Lease
    rtc: RtcSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    leases: AvatarLeases
    instances: AvatarInstances
    confirm: ConfirmLease
    floor: SpeechFloor
    work: WorkFactory
    clock: Clock
    recovery_s: float = RECOVERY_S
    look_s: float = LOOK_S
    pause_s: float = PAUSE_S

    async def __call__(self, running: RunningReply) -> None:
        """Speaks the reply from its first word on to whoever watches an avatar now; nobody: nothing is sent
        anywhere. Ends with the reply's last segment, when something else is spoken instead, or when nobody
        could be reached for long."""
        viewer = await self.viewer(running.user)
        if viewer is None:
            return
        delivery = Delivery(session=running.reply.session, message=running.reply.message)
        before = await self.floor.take(running.user, delivery)
        if before is not None and before.goes_on(self.now):
            await self._silence(viewer, before.sending_until)
        turn = Turn(self, running, viewer, delivery)
        try:
            await turn.speak()
        finally:
            await self._note(turn.delivery)

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()

    async def viewer(self, user: UserId) -> Viewer | None:
        lease = await self.leases.of(user)
        rtc = await self.leases.current_rtc(lease) if lease is not None else None
        return Viewer(lease, rtc) if lease is not None and rtc is not None else None

    async def interrupt(self, viewer: Viewer) -> None:
        """What is being said ends. That it may fail changes nothing: it is as good as over then."""
        try:
            await self.instances.interrupt(viewer.lease, viewer.rtc)
        except DomainError as refusal:
            log.info("avatar not interrupted", extra={"code": refusal.code})

    async def _silence(self, viewer: Viewer, until: float) -> None:
        """Whoever spoke before has a segment on its way perhaps: he notices himself, and interrupts it."""
        await self.interrupt(viewer)
        await asyncio.sleep(min(max(0.0, until - self.now), LAST_WITHIN_S))

    async def _note(self, delivery: Delivery) -> None:
        """How far the avatar was given the answer, unless somebody knows better."""
        if delivery.upto:
            async with self.work() as w:
                await w.messages.spoken(delivery.message, delivery.upto)
                await w.commit()


@dataclass(eq=False, slots=True)
class Turn:
    """The speaking of one reply."""

    by: Speaker
    running: RunningReply
    viewer: Viewer
    delivery: Delivery
    _doubtful: deque[Segment] = field(default_factory=deque)  # sent, and nobody knows whether they arrived
    _failures: int = 0

    async def speak(self) -> None:
        async for segment, last in self._segments():
            if not await self._deliver(segment, LAST_WITHIN_S if last else WITHIN_S):
                return
        self.delivery = self.delivery.over(len(self.running.reply.text))
        await self.by.floor.keep(self.running.user, self.delivery)

    async def _segments(self) -> AsyncIterator[tuple[Segment, bool]]:
        """As the answer comes. Whether it is the last is known where the answer has ended."""
        text, waiting = Speech(), deque[Segment]()
        log_of = self.running.reply.log
        with Reader(self.running.feed, counts=False) as reader:
            while True:
                while waiting:
                    yield waiting.popleft(), False
                if not await reader.more():
                    break
                seen, reader.seen = reader.seen, len(log_of)
                waiting += text.feed(log_of.text_from(seen))
        rest = [*waiting, *text.end()]
        for n, segment in enumerate(rest, 1):
            yield segment, n == len(rest)

    async def _deliver(self, segment: Segment, within_s: float) -> bool:
        """Whether we still have the floor, and somebody to speak to."""
        while True:
            if not await self._may_speak(within_s):
                return False
            try:
                await self._say(segment, within_s)
            except InstanceTimeout:  # perhaps it was heard: then saying it again would be worse than not
                self._doubtful.append(segment)
                self._failures += 1
                if self._failures < FAILURES_MAX:
                    return True
                return await self._recovered()
            except RtcSessionGone:
                await self.by.leases.forget_rtc(self.viewer.lease, self.viewer.rtc)
                self._failures = FAILURES_MAX
            except InstanceUnreachable:
                lease = await self.by.confirm(self.viewer.lease, doubted=True)
                self.viewer = replace(self.viewer, lease=lease or self.viewer.lease)
                self._failures += 1
            except (DomainError, NoAvatar):
                self._failures += 1
            else:
                return await self._taken(segment)
            if self._failures < FAILURES_MAX:
                await asyncio.sleep(self.by.pause_s)
                continue
            self._doubtful.append(segment)
            return await self._recovered()

    async def _say(self, segment: Segment, within_s: float) -> None:
        """Raises what `AvatarInstances.speak` does; who is still starting has heard nothing and is asked
        again, as long as we may."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.by.recovery_s
        while True:
            try:
                return await self.by.instances.speak(
                    self.viewer.lease, self.viewer.rtc, segment.text, within_s=within_s
                )
            except InstanceStarting:
                if loop.time() > deadline or not await self._may_speak(within_s):
                    raise
            await asyncio.sleep(self.by.look_s)

    async def _may_speak(self, within_s: float) -> bool:
        """The reply has the floor, and the viewer is the user's."""
        sending = self.delivery.sending(self.by.now + within_s)
        if not await self.by.floor.keep(self.running.user, sending):
            return False
        if await self.by.leases.renew(self.viewer.lease, self.viewer.rtc):
            return True
        return await self._recovered()

    async def _taken(self, segment: Segment) -> bool:
        self._failures = 0
        self._doubtful.clear()
        self.delivery = self.delivery.took(segment.text, segment.end, self.by.now)
        if await self.by.floor.keep(self.running.user, self.delivery):
            return True
        await self.by.interrupt(self.viewer)  # somebody said stop while it was on its way
        return False

    async def _recovered(self) -> bool:
        """Whether the student can be spoken to again, in another rtc session. What nobody knows to have
        arrived in the old one is said there first."""
        self.running.tell_avatar(AvatarState.LOST)
        self._failures = 0
        viewer = await self._another_viewer()
        if viewer is None:
            return False
        self.viewer = viewer
        self.running.tell_avatar(AvatarState.RECOVERED)
        missed = list(self._doubtful)
        self._doubtful.clear()
        for segment in missed:
            if not await self._deliver(segment, WITHIN_S):
                return False
        return True

    async def _another_viewer(self) -> Viewer | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.by.recovery_s
        while loop.time() < deadline:
            if not await self.by.floor.keep(self.running.user, replace(self.delivery, sending_until=0.0)):
                return None
            viewer = await self.by.viewer(self.running.user)
            if viewer is not None and (viewer.rtc, viewer.lease.number) != (
                self.viewer.rtc,
                self.viewer.lease.number,
            ):
                return viewer
            await asyncio.sleep(self.by.look_s)
        return None
