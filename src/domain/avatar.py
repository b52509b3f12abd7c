"""Avatars: what they are called, where one is running, and who holds it."""

import re
from dataclasses import dataclass
from typing import NewType

from domain.errors import Conflict, Forbidden, Invalid, NotFound
from domain.user import UserId

AvatarName = NewType("AvatarName", str)  # only from `avatar_name`: a manager puts it into a shell command
RtcSession = NewType("RtcSession", int)  # never negative; an instance numbers its viewers with it
LeaseNumber = NewType("LeaseNumber", int)  # grows with every claim of any user: the fencing number

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RTC_DIGITS = re.compile(r"[0-9]{1,15}")


class InvalidAvatarName(Invalid):
    code = "invalid_avatar_name"
    msg = "Invalid avatar name"


class UnknownAvatar(Invalid):
    """`msg` names it, which is safe: it has passed `avatar_name`."""

    def __init__(self, name: AvatarName) -> None:
        super().__init__(f"Avatar '{name}' does not exist")


class NoAvatar(Conflict):
    """The user holds no lease, or not this one any more."""

    code = "no_avatar"
    msg = "Start an avatar first"


class NotYourSession(Forbidden):
    """The rtc session was not captured for this user on this lease."""

    msg = "This WebRTC session is not yours"


class RtcSessionGone(NotFound):
    """The instance does not know the rtc session any more."""

    msg = "WebRTC session not found or expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The one process of an avatar at a manager, shared by all its viewers, as last heard of. `pid` and
    `start_time` tell one launch from the next where the manager says them; `connections` is its count of
    starts without a disconnect."""

    manager: str  # base URL
    avatar: AvatarName
    host: str
    port: int
    pid: int | None = None
    start_time: str | None = None
    gpu: int | None = None
    connections: int | None = None
    running: bool = True

    def same_launch(self, other: "Instance") -> bool:
        """Whether the two are one process, as far as the manager has said."""
        told = (self.pid, other.pid), (self.start_time, other.start_time)
        differ = any(a is not None and b is not None and a != b for a, b in told)
        return not differ and (self.manager, self.avatar, self.host, self.port) == (
            other.manager,
            other.avatar,
            other.host,
            other.port,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One user's hold of one avatar. Whatever is done with it names it whole, so that one whose number is
    not the user's current one any more is refused."""

    user: UserId
    avatar: AvatarName
    number: LeaseNumber
    instance: Instance
    started_at: float  # when the manager counted this user, in seconds since 1970
    confirmed_at: float  # when the manager last said that the instance is there

    @property
    def instance_id(self) -> str:
        return instance_id(self.user, self.avatar)


def instance_id(user: UserId, avatar: AvatarName) -> str:
    """What a user's share of an instance is called, towards clients and managers."""
    return f"{avatar}_user_{user}"


def avatar_name(text: str) -> AvatarName:
    """Raises InvalidAvatarName."""
    if not _NAME.fullmatch(text):
        raise InvalidAvatarName
    return AvatarName(text)


def rtc_session(value: object) -> RtcSession | None:
    """An rtc session id as clients send it, a number or its digits; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float) and value.is_integer():
        value = f"{value:.0f}"
    return RtcSession(int(value)) if isinstance(value, str) and _RTC_DIGITS.fullmatch(value) else None
