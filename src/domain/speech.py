"""What an avatar says of a reply, and how far one has heard it."""

import re
from dataclasses import dataclass, replace

from domain.avatar import Lease, RtcSession
from domain.conversation import MessageId, SessionId
from domain.words import CJK

# How long people, and the voices made after them, take to say something.
CHARACTERS_A_SECOND, CJK_CHARACTERS_A_SECOND = 14.0, 4.5
QUICK = 1.6  # no voice is faster than that many times
LAST_WORDS = 100  # characters
_CJK = re.compile(f"[{CJK}]")


def last_words(text: str) -> str:
    """The end of what was said, by which one finds the place again."""
    words = text.rstrip()
    cut = words[-LAST_WORDS:]
    return cut if cut == words else cut.partition(" ")[2] or cut


def seconds_of(text: str) -> float:
    """About as long as it takes to say it."""
    ideographs = len(_CJK.findall(text))
    return (len(text) - ideographs) / CHARACTERS_A_SECOND + ideographs / CJK_CHARACTERS_A_SECOND


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whom an avatar speaks to: one line of one user's lease."""

    lease: Lease
    rtc: RtcSession


@dataclass(frozen=True, slots=True)
class Given:
    """A segment that the avatar has taken. `upto`: so many characters of the answer are told with its end,
    which comes at about `ends_at`, in seconds since 1970; `soonest`, if the voice is very quick."""

    text: str
    upto: int
    ends_at: float
    soonest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an avatar has been given to say of one reply: the segments it may not have said yet, and the one
    before them. No avatar tells where it is, so that is reckoned."""

    session: SessionId
    message: MessageId
    to: Viewer
    given: tuple[Given, ...] = ()
    sending_until: float = 0.0  # a segment is on its way, at most so long

    @property
    def upto(self) -> int:
        """So many characters of the answer are in what the avatar has taken."""
        return self.given[-1].upto if self.given else 0

    def heard(self, now: float) -> int:
        """So many characters of the answer can have been heard."""
        return max((one.upto for one in self.given if one.ends_at <= now), default=0)

    def goes_on(self, now: float) -> bool:
        """Whether something of it may still be to be heard."""
        return self.sending_until > now or any(one.ends_at > now for one in self.given)

    def ahead_s(self, now: float) -> float:
        """For at least so long the avatar has something to say."""
        return max((one.soonest - now for one in self.given), default=0.0)

    def sending(self, until: float) -> "Delivery":
        """A segment is about to be sent."""
        return replace(self, sending_until=until)

    def took(self, text: str, upto: int, now: float) -> "Delivery":
        """The avatar has taken a segment: it says it behind the others."""
        seconds = seconds_of(text)
        last = self.given[-1] if self.given else Given("", 0, now, now)
        taken = Given(text, upto, max(now, last.ends_at) + seconds, max(now, last.soonest) + seconds / QUICK)
        said = [one for one in self.given if one.ends_at <= now][-1:]
        waiting = [one for one in self.given if one.ends_at > now]
        return replace(self, given=(*said, *waiting, taken), sending_until=0.0)

    def over(self, length: int) -> "Delivery":
        """The last segment was taken: what follows it in the answer is nothing to be heard."""
        if not self.given:
            return self
        return replace(self, given=(*self.given[:-1], replace(self.given[-1], upto=length)))

    def lost(self, now: float) -> tuple["Delivery", list[Given]]:
        """The line is gone, and with it what was not said on it; that comes second."""
        said = tuple(one for one in self.given if one.ends_at <= now)
        return replace(self, given=said, sending_until=0.0), [one for one in self.given if one.ends_at > now]
