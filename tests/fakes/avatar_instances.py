import json
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.avatar_instances import (
    AvatarInstances,
    NotAccepted,
    OfferAnswer,
    Passed,
    ProxyCall,
    SessionLimitReached,
)
from domain.avatar import Lease, RtcSession, RtcSessionGone
from domain.errors import DomainError


@dataclass
class FakeAvatarInstances(AvatarInstances):
    """Every instance in one: sessions are numbered as they come. With `failure` everything fails; `refuses`
    everything that is about a session."""

    max_sessions: int = 5
    failure: DomainError | None = None
    refuses: bool = False
    sessions: set[RtcSession] = field(default_factory=set)
    said: list[tuple[RtcSession, str]] = field(default_factory=list)
    interrupted: list[RtcSession] = field(default_factory=list)
    talking: set[RtcSession] = field(default_factory=set)
    calls: list[tuple[Lease, ProxyCall]] = field(default_factory=list)
    _next: int = 100_001

    @override
    async def offer(self, lease: Lease, sdp: str) -> OfferAnswer:
        self._reachable()
        if len(self.sessions) >= self.max_sessions:
            raise SessionLimitReached
        rtc = RtcSession(self._next)
        self._next += 1
        self.sessions.add(rtc)
        answer = {"sdp": f"v=0 answer {rtc}", "type": "answer", "sessionid": rtc}
        return OfferAnswer(rtc, f"v=0 answer {rtc}", json.dumps(answer).encode())

    @override
    async def speak(self, lease: Lease, rtc: RtcSession, text: str, *, within_s: float = 3.0) -> None:
        self._known(rtc)
        self.said.append((rtc, text))

    @override
    async def interrupt(self, lease: Lease, rtc: RtcSession) -> None:
        self._known(rtc)
        self.interrupted.append(rtc)

    @override
    async def is_speaking(self, lease: Lease, rtc: RtcSession) -> bool:
        self._known(rtc)
        return rtc in self.talking

    @override
    async def pass_on(self, lease: Lease, call: ProxyCall) -> Passed:
        self._reachable()
        if call.rtc is not None:
            self._known(call.rtc)
        self.calls.append((lease, call))
        answer: dict[str, object] = {"code": 0, "msg": "ok"}
        if call.path == "health":
            answer = {"status": "healthy", "service": "webrtc", "sessions": len(self.sessions)}
        return Passed(200, "application/json", json.dumps(answer).encode())

    def _reachable(self) -> None:
        if self.failure:
            raise self.failure

    def _known(self, rtc: RtcSession) -> None:
        self._reachable()
        if rtc not in self.sessions:
            raise RtcSessionGone
        if self.refuses:
            raise NotAccepted
