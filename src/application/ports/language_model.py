from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.conversation import MemoryId
from domain.errors import Unavailable, UpstreamFailed, UpstreamTimeout
from domain.user import UserId

NOT_AVAILABLE = "The tutor is not available right now. Please try again."


class ModelUnreachable(Unavailable):
    event = "llm_unreachable"
    msg = NOT_AVAILABLE


class ModelTimeout(UpstreamTimeout):
    event = "llm_timeout"
    msg = NOT_AVAILABLE


class ModelFailed(UpstreamFailed):
    event = "llm_error"
    msg = NOT_AVAILABLE


class ModelSilent(UpstreamFailed):
    event = "llm_empty"
    msg = NOT_AVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One turn for a model. A model that keeps its own memory gets `input` under `memory`; one that does
    not gets `system` and `input` as a chat. `input` is the question with any quoted passages behind it."""

    user: UserId
    memory: MemoryId
    system: str
    input: str
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Something that can be asked under its name. `active`: it is what answers."""

    name: str
    owner: str = ""
    created_at: datetime | None = None
    active: bool = False

    @property
    def version(self) -> str:
        """What stands behind the colon, as in `llama3.1:8b-instruct-q4_K_M`."""
        return self.name.partition(":")[2]


class LanguageModel(Protocol):
    """Whoever answers. Adapters retry nothing once a request was sent."""

    name: str  # what answers, for start-up output and the page

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """The answer piece by piece, no piece empty; ends when the model says it is finished.

        Closing the generator closes the upstream connection. Raises ModelUnreachable (no connection),
        ModelTimeout (nothing for too long), ModelFailed (bad status, error event, end without an end mark,
        malformed or oversized events). An answer without text is no error here: the caller decides.
        """
        ...

    async def check(self) -> None:
        """Returns when the model can be asked within 2 s; raises as `stream` does."""
        ...

    async def models(self) -> Sequence[Model]:
        """What the model server says it has; empty when its protocol has no such list. Raises as `check`
        does."""
        ...
