from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from domain.avatar import Lease, RtcSession
from domain.errors import Invalid, Unavailable, UpstreamFailed, UpstreamTimeout


class InstanceUnreachable(UpstreamFailed):
    """Nobody listens there: the process is gone or has moved. Nothing was heard."""

    msg = "Avatar is not reachable. Please start it again."


class InstanceTimeout(UpstreamTimeout):
    msg = "Proxy timeout"


class InstanceFailed(UpstreamFailed):
    """A status from 500, or an answer that makes no sense."""

    msg = "The avatar returned an error"


class InstanceStarting(Unavailable):
    msg = "The avatar is still starting. Please try again."


class SessionLimitReached(Unavailable):
    """An offer was refused: the instance has as many viewers as it can serve."""

    code = "capacity"
    msg = "The avatar has reached its session limit. Please try again later."


class NotAccepted(Unavailable):
    """The instance refuses, for a reason of its own (HTTP 200 with `code` -1)."""

    msg = "The avatar did not accept the request"


class CallRejected(Invalid):
    """The instance takes the request for a bad one (HTTP 400 and its like)."""

    code = "upstream_rejected"
    msg = "The avatar did not accept the request"


@dataclass(frozen=True, slots=True)
class OfferAnswer:
    """What the browser needs to connect. `body` is the instance's answer as it came, with `sdp` in it."""

    rtc: RtcSession
    sdp: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording on this machine's disk. `extension` is of our alphabet."""

    path: Path
    size: int
    extension: str


@dataclass(frozen=True, slots=True)
class ProxyCall:
    """A call whose path, method and fields were checked by us; nothing else of the client's request goes on.
    `rtc` is the session it speaks of, if any; it is told with the fields."""

    method: Literal["GET", "POST"]
    path: str  # one of ours, without a leading slash
    rtc: RtcSession | None = None
    fields: Mapping[str, str | int | bool] = field(default_factory=dict)
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer to hand on: decoded, at most 1 MiB, without any other header."""

    status: int
    content_type: str
    body: bytes


class AvatarInstances(Protocol):
    """The streaming processes, each reached by the lease that names it: host and port come from there and
    from nowhere else. Who calls has made sure that the lease is current (`AvatarLeases.renew`), at most
    seconds before: nothing is queued here, one call is one request, never repeated.

    All raise InstanceUnreachable, InstanceTimeout, InstanceFailed, InstanceStarting, NotAccepted,
    CallRejected, and (where they name an rtc session) RtcSessionGone."""

    async def offer(self, lease: Lease, sdp: str) -> OfferAnswer:
        """A new viewer, and what his browser offers. Raises SessionLimitReached too. The rtc session is not
        the user's before `AvatarLeases.capture` has taken it."""
        ...

    async def speak(self, lease: Lease, rtc: RtcSession, text: str, *, within_s: float = 3.0) -> None:
        """The text is queued behind what was said before. After InstanceTimeout it may be or may not be."""
        ...

    async def interrupt(self, lease: Lease, rtc: RtcSession) -> None:
        """What is being said ends, what waits is dropped."""
        ...

    async def is_speaking(self, lease: Lease, rtc: RtcSession) -> bool: ...

    async def pass_on(self, lease: Lease, call: ProxyCall) -> Passed:
        """Any other call of the protocol, and its answer."""
        ...
