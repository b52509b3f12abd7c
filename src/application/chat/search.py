"""Finding again what was said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.ports.persistence import FoundLine, Listed, Reading
from application.ports.throttle import Limit, Throttle
from domain.errors import RateLimited
from domain.user import UserId
from domain.words import words

SEARCHES = Limit("search", 60, timedelta(minutes=1))  # of one user
MOST_WORDS = 16
SNIPPET_MAX = 200
LEAD = 60  # characters shown before the hit
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Match:
    line: FoundLine
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchMessages:
    """The user's messages that have every word that is looked for, or one that begins with it; newest first.
    A single letter is a word by itself. To look for nothing finds nothing."""

    reading: Reading
    throttle: Throttle

    async def __call__(self, user: UserId, query: str, limit: int, offset: int) -> Listed[Match]:
        """Raises RateLimited."""
        if wait := await self.throttle.take(SEARCHES, str(user)):
            raise RateLimited(retry_after=wait)
        wanted = list(dict.fromkeys(words(query)))[:MOST_WORDS]
        found = await self.reading.search(user, wanted, limit, offset)
        return Listed(found.total, [Match(line, snippet(line.content, wanted)) for line in found.items])


def snippet(content: str, wanted: Sequence[str]) -> str:
    """The text around the first place where one of the words begins, on one line, at most SNIPPET_MAX
    characters."""
    at = _first(content, wanted)
    start = max(0, at - LEAD)
    before = ELLIPSIS if start else ""
    shown = " ".join(content[start : start + 4 * SNIPPET_MAX].split())
    if len(before) + len(shown) <= SNIPPET_MAX and start + 4 * SNIPPET_MAX >= len(content):
        return before + shown
    return before + shown[: SNIPPET_MAX - len(before) - 1].rstrip() + ELLIPSIS


def _first(content: str, wanted: Sequence[str]) -> int:
    """0 where the words are only found folded: in another width, say."""
    if not wanted:
        return 0
    found = re.search(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, wanted))})", content, re.IGNORECASE)
    found = found or re.search("|".join(map(re.escape, wanted)), content, re.IGNORECASE)
    return found.start() if found else 0
