"""Who holds which avatar, for all workers at once. Losing it ends leases, never a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.user import UserId

LINES_MAX = 8  # rtc sessions of one lease


class AvatarLeases(Protocol):
    """At most one lease per user. It lives for the idle time after its last use; what has lapsed is as good
    as gone here, until it is given back. Raises StorageUnavailable.

    Whatever names a lease does so with its number: with another one than the user's current, it changes
    nothing and says so."""

    async def of(self, user: UserId) -> Lease | None:
        """The user's live lease."""
        ...

    async def renew(self, lease: Lease, rtc: RtcSession | None = None) -> bool:
        """Whether it still is the user's lease and, where one is named, the rtc session was captured on it;
        if so, it lives for another whole idle time. To be asked before everything that is sent with it."""
        ...

    async def capture(self, lease: Lease, rtc: RtcSession) -> bool:
        """An instance has given this lease's user that session: it is his now, nobody else's any more, and
        the current one. Of LINES_MAX others all but the one used last are forgotten. False when the lease is
        not current any more."""
        ...

    async def select(self, user: UserId, rtc: RtcSession) -> bool:
        """Makes a session that was captured on the user's live lease the current one. Any other changes
        nothing: False."""
        ...

    async def current_rtc(self, lease: Lease) -> RtcSession | None:
        """Where the lease's speech goes: captured on it last, or selected."""
        ...

    async def forget_rtc(self, lease: Lease, rtc: RtcSession) -> None:
        """The instance does not know the session any more; it is nobody's."""
        ...


class CallKind(StrEnum):
    START = "start"  # one user more
    STOP = "stop"  # one user less
    PAIR = "pair"  # a start and a disconnect, so that the instance is kept alive


class CallState(StrEnum):
    """What is known of a call to a manager that changes its count."""

    OPEN = "open"  # somebody makes it just now
    OWED = "owed"  # a stop that is still to be made
    DOUBTFUL = "doubtful"  # nobody knows whether it counted, or will yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerCall:
    """A change of a manager's count that has no certain end yet. Written down before it is asked for, so
    that nothing is forgotten with the process that asked."""

    number: LeaseNumber  # of the claim or the lease it belongs to; has one call of a kind at most
    user: UserId
    manager: str
    avatar: AvatarName
    kind: CallKind
    state: CallState
    since: float  # of this state, in seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStart:
    """When an avatar was last started at a manager, and which launch answered."""

    at: float
    pid: int | None
    start_time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All of it at one moment: every lease, lapsed ones too (the managers still count them), and every call
    without a certain end."""

    leases: Sequence[Lease]
    lapsed: frozenset[LeaseNumber]
    calls: Sequence[ManagerCall]
    starts: Mapping[tuple[str, AvatarName], LastStart]  # by manager and avatar


class Claims(Protocol):
    """The right to start an avatar for a user, at most one per user. Raises StorageUnavailable."""

    async def claim(self, user: UserId) -> LeaseNumber | None:
        """The user's starts are ours alone for 90 s, under this number; None while somebody else has them.
        What a doubtful start of his may still bring is not wanted any more."""
        ...

    async def let_go(self, user: UserId, number: LeaseNumber) -> None:
        """Ends the claim, if it is still ours."""
        ...

    async def held(self, user: UserId) -> Lease | None:
        """What the user holds, live or lapsed."""
        ...

    async def hold(self, lease: Lease) -> bool:
        """What the claim was for: the user holds it, its start has ended well, and so has the claim. False
        when the claim is not ours any more: what was started must be given back."""
        ...

    async def last_start(self, manager: str, avatar: AvatarName) -> LastStart | None: ...


class ManagerCalls(Protocol):
    """The calls that change a manager's count, each written down until its outcome is certain. Every step is
    taken only from the state in which the caller has seen the call. Raises StorageUnavailable."""

    async def begin(self, call: ManagerCall, now: float) -> ManagerCall | None:
        """The call is OPEN and ours to make. None when it must not be made: a start whose claim is not ours
        any more, a call that somebody else has taken up."""
        ...

    async def close(self, call: ManagerCall) -> None:
        """The outcome is certain and needs nothing more."""
        ...

    async def doubt(self, call: ManagerCall, now: float, *, wanted: bool = False) -> None:
        """Nobody knows the outcome. `wanted`: should a start come about after all, it may become the user's
        lease, unless he claims, gives back or is logged out before."""
        ...

    async def owe(
        self, call: ManagerCall, now: float, last_start: LastStart | None = None
    ) -> ManagerCall | None:
        """The manager counts one more than it should: a stop is OWED in the call's place (a pair stays one).
        `last_start`: what the call has started."""
        ...

    async def adopt(self, call: ManagerCall, lease: Lease) -> bool:
        """The doubtful start has come about: the user holds it, if that is still wanted; else nothing
        changes."""
        ...


class Holdings(Protocol):
    """What all users hold, and how they lose it. Each step is one atomic change of everything it concerns,
    and the stop that it calls for is written down in it. Raises StorageUnavailable."""

    async def drop(self, lease: Lease, now: float, state: CallState | None) -> ManagerCall | None:
        """The user holds it no longer, and none of its rtc sessions is his. The stop, in that state; with no
        state there is none, for the instance itself is gone. None also when the lease is not current."""
        ...

    async def give_up(self, user: UserId, now: float, state: CallState) -> ManagerCall | None:
        """The user leaves: as `drop`, for whatever he holds, live or lapsed. A start of his that is under way
        will not be held, a doubtful one not be adopted."""
        ...

    async def correct(self, lease: Lease, instance: Instance, confirmed_at: float) -> bool:
        """Its instance is like that now. The rtc sessions of an earlier launch are nobody's. False, and
        nothing changed, where the lease is not current or was confirmed later than that."""
        ...

    async def books(self) -> Books:
        """What nobody can read among them is removed."""
        ...


class Keeper(Protocol):
    """One of all processes looks after the leases."""

    async def is_ours(self) -> bool:
        """Whether it is this one; it stays so while the process lives. Raises StorageUnavailable."""
        ...
