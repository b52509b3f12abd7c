"""One reply, spoken by its student's avatar while it is generated. It follows the log like any reader: it may
be late, fail or be cut short, and no token waits for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
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
    NotAccepted,
)
from application.ports.avatar_leases import AvatarLeases
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.speech_floor import SpeechFloor
from application.speech.segments import Segment
from application.speech.speech import Speech
from domain.avatar import RtcSessionGone
from domain.errors import DomainError, StorageUnavailable
from domain.speech import Delivery, Viewer
from domain.user import UserId

log = logging.getLogger(__name__)

WITHIN_S, LAST_WITHIN_S = 3.0, 5.0
AHEAD_S = 20.0  # what an avatar is given beyond what it must have said by now: its own queue is short
FAILURES_MAX, PAUSE_S = 3, 0.2
RECOVERY_S, LOOK_S = 30.0, 0.5  # how long we wait for the student's browser to connect anew
WATCH_S, QUIET_LOOKS = 1.0, 2  # until the avatar has said the last word
AT_ONCE = 300  # characters that are made speakable in one go


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    leases: AvatarLeases
    instances: AvatarInstances
    confirm: ConfirmLease
    floor: SpeechFloor
    work: WorkFactory
    clock: Clock
    ahead_s: float = AHEAD_S
    recovery_s: float = RECOVERY_S
    look_s: float = LOOK_S
    pause_s: float = PAUSE_S
    watch_s: float = WATCH_S

    async def __call__(self, running: RunningReply) -> None:
        """Speaks the reply from its first word on to whoever watches an avatar now; nobody: nothing is sent
        anywhere. Ends when the last word was said, when something else is spoken instead, or when nobody
        could be reached for long."""
        viewer = await self.viewer(running.user)
        if viewer is None:
            return
        delivery = Delivery(session=running.reply.session, message=running.reply.message, to=viewer)
        before = await self.floor.take(running.user, delivery)
        if before is not None:
            await self._silence(before)
        turn = Turn(self, running, delivery)
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

    async def _silence(self, before: Delivery) -> None:
        """Whoever spoke before has a segment on its way perhaps: he notices himself, and interrupts it."""
        if before.sending_until > self.now:
            await asyncio.sleep(min(before.sending_until - self.now, LAST_WITHIN_S))
        if before.goes_on(self.now):
            await self.interrupt(before.to)

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
    delivery: Delivery
    _doubtful: list[Segment] = field(default_factory=list)  # sent, and nobody knows whether they arrived
    _failures: int = 0

    async def speak(self) -> None:
        async with aclosing(self._segments()) as segments:
            async for segment, last in segments:
                within_s = LAST_WITHIN_S if last else WITHIN_S
                if not (await self._in_time() and await self._deliver(segment, within_s)):
                    return
        self.delivery = self.delivery.over(len(self.running.reply.text))
        if await self._said():
            await self.by.floor.leave(self.running.user, self.delivery)

    async def _segments(self) -> AsyncGenerator[tuple[Segment, bool]]:
        """As the answer comes. Whether it is the last is known where the answer has ended."""
        text, told = Speech(), self.running.reply.log
        with Reader(self.running.feed, counts=False) as reader:
            while await reader.more():
                seen, reader.seen = reader.seen, len(told)
                fresh = told.text_from(seen)
                for start in range(0, len(fresh), AT_ONCE):
                    for segment in text.feed(fresh[start : start + AT_ONCE]):
                        yield segment, False
                    await asyncio.sleep(0)  # others' tokens go first
        rest = text.end()
        for n, segment in enumerate(rest, 1):
            yield segment, n == len(rest)

    async def _in_time(self) -> bool:
        """Returns when the avatar will soon have nothing more to say; whether we still have the floor."""
        while (ahead_s := self.delivery.ahead_s(self.by.now) - self.by.ahead_s) > 0:
            await asyncio.sleep(min(ahead_s, self.by.watch_s))
            if not await self._may_speak():
                return False
        return True

    async def _deliver(self, segment: Segment, within_s: float) -> bool:
        """Whether we still have the floor, and somebody to speak to."""
        while True:
            if not await self._may_speak(within_s):
                return False
            try:
                await self._say(segment, within_s)
            except InstanceTimeout:  # perhaps it was heard: then saying it again would be worse than not
                self._doubtful.append(segment)
                if not await self._has_failed():
                    return True
                return await self._recovered()
            except DomainError as refusal:
                if not await self._has_failed(refusal):
                    await asyncio.sleep(self.by.pause_s)
                    continue
                self._doubtful.append(segment)
                return await self._recovered()
            return await self._taken(segment)

    async def _say(self, segment: Segment, within_s: float) -> None:
        """Raises what `AvatarInstances.speak` does. Who is still starting, or has his hands full with what he
        was given, has heard nothing and is asked again, as long as we may."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.by.recovery_s
        while True:
            viewer = self.delivery.to
            try:
                return await self.by.instances.speak(
                    viewer.lease, viewer.rtc, segment.text, within_s=within_s
                )
            except (InstanceStarting, NotAccepted) as refusal:
                full = isinstance(refusal, NotAccepted) and not self.delivery.goes_on(self.by.now)
                if full or loop.time() > deadline:
                    raise
            await asyncio.sleep(self.by.look_s)
            if not await self._may_speak(within_s):
                raise NotAccepted

    async def _said(self) -> bool:
        """Returns when the avatar has said the last word; whether we still had the floor until then."""
        quiet = 0
        while quiet < QUIET_LOOKS:
            await asyncio.sleep(self.by.watch_s)
            if not await self._may_speak():
                return False
            viewer = self.delivery.to
            try:
                speaks = await self.by.instances.is_speaking(viewer.lease, viewer.rtc)
            except DomainError as refusal:
                if await self._has_failed(refusal) and not await self._recovered():
                    return False
                continue
            self._failures = 0
            quiet = 0 if speaks else quiet + 1
        return True

    async def _has_failed(self, refusal: DomainError | None = None) -> bool:
        """Whether the line has failed for good."""
        viewer = self.delivery.to
        self._failures += 1
        if isinstance(refusal, RtcSessionGone):
            await self.by.leases.forget_rtc(viewer.lease, viewer.rtc)
            return True
        if isinstance(refusal, InstanceUnreachable):
            lease = await self.by.confirm(viewer.lease, doubted=True)
            self.delivery = replace(self.delivery, to=replace(viewer, lease=lease or viewer.lease))
        return self._failures >= FAILURES_MAX

    async def _may_speak(self, within_s: float = 0.0) -> bool:
        """The reply has the floor, and the viewer is the user's. A Redis that is away for a moment is waited
        for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.by.recovery_s
        while True:
            try:
                if self.running.stopped_at is not None or not await self._keep(within_s):
                    if self._doubtful:  # one of those may be said yet
                        await self.by.interrupt(self.delivery.to)
                    return False
                viewer = self.delivery.to
                return await self.by.leases.renew(viewer.lease, viewer.rtc) or await self._recovered()
            except StorageUnavailable:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(self.by.look_s)

    async def _keep(self, within_s: float) -> bool:
        sending_until = self.by.now + within_s if within_s else 0.0
        return await self.by.floor.keep(self.running.user, self.delivery.sending(sending_until))

    async def _taken(self, segment: Segment) -> bool:
        self._failures = 0
        self._doubtful.clear()
        self.delivery = self.delivery.took(segment.text, segment.end, self.by.now)
        if self.running.stopped_at is None and await self.by.floor.keep(self.running.user, self.delivery):
            return True
        await self.by.interrupt(self.delivery.to)  # somebody said stop while it was on its way
        return False

    async def _recovered(self) -> bool:
        """Whether the student can be spoken to again, on another line. What he has not heard on the old one
        is said there first."""
        self.running.tell_avatar(AvatarState.LOST)
        self._failures = 0
        self.delivery, unsaid = self.delivery.lost(self.by.now)
        missed = [*(Segment(one.text, one.upto) for one in unsaid), *self._doubtful]
        self._doubtful.clear()
        viewer = await self._another_viewer()
        if viewer is None:
            return False
        self.delivery = replace(self.delivery, to=viewer)
        self.running.tell_avatar(AvatarState.RECOVERED)
        for segment in missed:
            if not await self._deliver(segment, WITHIN_S):
                return False
        return True

    async def _another_viewer(self) -> Viewer | None:
        loop = asyncio.get_running_loop()
        deadline, was = loop.time() + self.by.recovery_s, self.delivery.to
        while loop.time() < deadline:
            if self.running.stopped_at is not None or not await self._keep(0.0):
                return None
            viewer = await self.by.viewer(self.running.user)
            if viewer is not None and (viewer.rtc, viewer.lease.number) != (was.rtc, was.lease.number):
                return viewer
            await asyncio.sleep(self.by.look_s)
        return None
