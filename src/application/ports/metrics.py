"""What operators want to see of the path from question to answer. Nothing here can fail or wait."""

from typing import Protocol


class ReplyMetrics(Protocol):
    """Counts and times of this process. Times are seconds."""

    def began(self) -> None:
        """A reply is being generated."""
        ...

    def first_token(self, ours_s: float, upstream_s: float) -> None:
        """From the accepted question to the first piece: what we took ourselves, and what the model took."""
        ...

    def ended(self, outcome: str) -> None:
        """`complete`, `interrupted`, or the error code of contract 10.2."""
        ...

    def relayed(self, lag_s: float) -> None:
        """From a piece's arrival to its leaving for one reader."""
        ...

    def reader_came(self) -> None: ...

    def reader_left(self, *, dropped: bool) -> None:
        """`dropped`: it read too slowly."""
        ...

    def settled(self) -> None:
        """The reply of a dead worker was completed by this one."""
        ...

    def documents_skipped(self, cause: str) -> None:
        """An answer had to do without documents: `late`, `unavailable`."""
        ...

    def upstream_failed(self, name: str, kind: str) -> None:
        """`kind` is the error code of contract 10.2."""
        ...

    def breaker(self, name: str, state: str) -> None:
        """`closed`, `open` or `half_open` from now on."""
        ...


class JobMetrics(Protocol):
    """Counts of this process's work on the job queue."""

    def job_ended(self, kind: str, outcome: str) -> None:
        """A try of a job: `done`, `failed` (it is tried again) or `given_up`."""
        ...
