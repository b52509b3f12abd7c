from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.metrics import JobMetrics, ReplyMetrics


@dataclass(eq=False)
class FakeReplyMetrics(ReplyMetrics):
    """Remembers everything it was told, in order."""

    active: int = 0
    readers: int = 0
    first_tokens: list[tuple[float, float]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    dropped: int = 0
    replies_settled: int = 0
    skipped: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    breakers: list[tuple[str, str]] = field(default_factory=list)

    @override
    def began(self) -> None:
        self.active += 1

    @override
    def first_token(self, ours_s: float, upstream_s: float) -> None:
        self.first_tokens.append((ours_s, upstream_s))

    @override
    def ended(self, outcome: str) -> None:
        self.active -= 1
        self.outcomes.append(outcome)

    @override
    def relayed(self, lag_s: float) -> None:
        self.lags.append(lag_s)

    @override
    def reader_came(self) -> None:
        self.readers += 1

    @override
    def reader_left(self, *, dropped: bool) -> None:
        self.readers -= 1
        self.dropped += dropped

    @override
    def settled(self) -> None:
        self.replies_settled += 1

    @override
    def documents_skipped(self, cause: str) -> None:
        self.skipped.append(cause)

    @override
    def upstream_failed(self, name: str, kind: str) -> None:
        self.failures.append((name, kind))

    @override
    def breaker(self, name: str, state: str) -> None:
        self.breakers.append((name, state))


@dataclass(eq=False)
class FakeJobMetrics(JobMetrics):
    tries: list[tuple[str, str]] = field(default_factory=list)

    @override
    def job_ended(self, kind: str, outcome: str) -> None:
        self.tries.append((kind, outcome))
