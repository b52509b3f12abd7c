"""What becomes known about a reply on its way, beside its words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from domain.conversation import Source
from domain.job import JobKind


@dataclass(slots=True)
class Telling:
    """Handed by whoever generates a reply to whoever answers, one for each reply.

    `cite` is called at most once, before the first piece. `clock` counts seconds and never jumps. `cited` are
    the numbers of the sources that the answer really rests on, so far. `chores` are the jobs to be written in
    the transaction that stores the reply."""

    cite: Callable[[Sequence[Source]], None]
    clock: Callable[[], float]
    asked_model_at: float | None = None  # when the model was asked that answers
    answered_by_fallback: bool = False  # the model that usually answers has not heard this turn
    cited: set[int] = field(default_factory=set)
    chores: set[JobKind] = field(default_factory=set)
