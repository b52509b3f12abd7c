"""Is the action log what was written? Each line is chained to the one before, so every one can be checked."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from application.ports.administration import ActionRecords, Expired, KeptAction
from domain.action_log import FIRST

REMEMBERED = 256  # hashes of the last lines: so many may have been put in between and are still told apart


class Flaw(Enum):
    CHANGED = auto()
    INSERTED = auto()
    REMOVED_BEFORE = auto()  # of the numbers before it some are missing: they were removed, or it was changed


@dataclass(frozen=True, slots=True)
class Finding:
    flaw: Flaw
    kept: KeptAction
    before: int | None  # the line it stands after


@dataclass(frozen=True, slots=True)
class Verdict:
    """`head` is the hash of the last line; `cut_off`: the log once ended in a line that is not there. What is
    not there because it has expired is no flaw: `expired`, the last line of that, says how far it goes."""

    lines: int
    head: str
    findings: list[Finding]
    cut_off: bool
    expired: Expired | None = None

    @property
    def sound(self) -> bool:
        return not self.findings and not self.cut_off


@dataclass(slots=True)
class _Reader:
    """Follows the chain. A line that does not fit is taken for changed (or for what follows a gap) until a
    later one turns out to be chained to an earlier one: then what stands between the two was put in."""

    expected_head: str | None
    expired: Expired | None
    findings: list[Finding] = field(default_factory=list)
    lines: int = 0
    head: str = FIRST
    last: KeptAction | None = None
    head_seen: bool = False
    _recent: deque[tuple[str, KeptAction | None]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def __post_init__(self) -> None:
        if self.expired:
            self.head = self.expired.hash
        self.head_seen = self.expected_head in (FIRST, self.head)
        self._recent.append((self.head, None))

    def read(self, kept: KeptAction) -> None:
        if kept.line.chained_to(self.head) != kept.hash:
            self._explain(kept)
        self.lines, self.head, self.last = self.lines + 1, kept.hash, kept
        self.head_seen = self.head_seen or kept.hash == self.expected_head
        self._recent.append((kept.hash, kept))

    def _explain(self, kept: KeptAction) -> None:
        if stood_after := self._anchor(kept):
            self._inserted(stood_after)
            return
        before = self.last or self.expired
        gap = kept.id > (before.id if before else 0) + 1
        flaw = Flaw.REMOVED_BEFORE if gap else Flaw.CHANGED
        self.findings.append(Finding(flaw, kept, self.last.id if self.last else None))

    def _anchor(self, kept: KeptAction) -> int:
        """How many lines before it do not belong there; 0 when it fits nowhere."""
        for back, (hash, _) in enumerate(reversed(self._recent)):
            if kept.line.chained_to(hash) == kept.hash:
                return back
        return 0

    def _inserted(self, count: int) -> None:
        strangers = [kept for _, kept in list(self._recent)[-count:] if kept is not None]
        first = strangers[0].id
        before = max((kept.id for _, kept in self._recent if kept and kept.id < first), default=None)
        self.findings = [one for one in self.findings if one.kept.id < first]  # what they were taken for
        self.findings += [Finding(Flaw.INSERTED, kept, before) for kept in strangers]


@dataclass(frozen=True, slots=True)
class VerifyLog:
    """Reads the whole log and says which lines are not as they were written. With a `head` noted earlier it
    also finds that the end was cut off, or everything was written anew."""

    records: ActionRecords

    async def __call__(self, head: str | None = None) -> Verdict:
        while True:
            expired = await self.records.expired()
            verdict = await self._verdict(head, expired)
            if await self.records.expired() == expired:  # else lines have gone while they were read
                return verdict

    async def _verdict(self, head: str | None, expired: Expired | None) -> Verdict:
        reader = _Reader(head, expired)
        async for kept in self.records.lines():
            reader.read(kept)
        emptied = expired is not None and not reader.lines  # the last line never expires
        cut_off = emptied or (head is not None and not reader.head_seen)
        return Verdict(reader.lines, reader.head, reader.findings, cut_off, expired)
