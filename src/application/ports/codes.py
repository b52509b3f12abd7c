from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.user import Purpose


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A right code that was just consumed."""

    purpose: Purpose
    left: timedelta  # how long it would have lived on
    attempts: int = 0  # wrong guesses so far


class Codes(Protocol):
    """Six-digit codes in Redis, bound to address and purpose, kept only as a keyed hash."""

    async def wait(self, email: str) -> int:
        """Start the pause between two codes for an address: 0 when it began now, else the seconds left."""
        ...

    async def end_wait(self, email: str) -> None:
        """The pause is over at once: no code was sent."""
        ...

    async def issue(self, email: str, purpose: Purpose) -> str:
        """A fresh code that replaces the former one; lives 300 s and through 5 attempts."""
        ...

    async def redeem(self, email: str, purposes: Sequence[Purpose], code: str) -> Redeemed | None:
        """Check and consume in one step; None when it is wrong. A wrong guess costs an attempt; the fifth
        destroys the code."""
        ...

    async def restore(self, email: str, code: str, redeemed: Redeemed) -> None:
        """Undo one `redeem`: the code lives as long as it would have, unless a newer one has taken its
        place."""
        ...

    async def forget(self, email: str, older_than: timedelta = timedelta()) -> int:
        """Of the codes for this address, and the pause between two, those that began longer ago than that
        are gone; how many they were. Younger ones may be for somebody new."""
        ...
