from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.conversation import MemoryId, Speaker
from domain.errors import Invalid, Unavailable, UpstreamFailed, UpstreamTimeout
from domain.user import UserId

NOT_AVAILABLE = "The tutor is not available right now. Please try again."


class ModelUnreachable(Unavailable):
    """No connection, or a server that says it is full or going away (429, 503). `retry_after` is what it
    asked for, in whole seconds, when it did."""

    event = "llm_unreachable"
    msg = NOT_AVAILABLE

    def __init__(self, *, retry_after: int | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after


class ModelTimeout(UpstreamTimeout):
    event = "llm_timeout"
    msg = NOT_AVAILABLE


class ModelFailed(UpstreamFailed):
    event = "llm_error"
    msg = NOT_AVAILABLE


class ModelSilent(UpstreamFailed):
    event = "llm_empty"
    msg = NOT_AVAILABLE


class UnknownModel(Invalid):
    """The server has no such model. `detail` is what it says, for administrators: at most 300 characters."""

    code = "upstream_rejected"
    msg = "Model activation failed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(**({"detail": detail} if detail else {}))


class ActivationUnsupported(UpstreamFailed):
    msg = "Model activation is not supported by the LLM service"


class ActivationFailed(UpstreamFailed):
    msg = "Invalid JSON response from model service"


class ActivationUnreachable(Unavailable):
    msg = "Failed to connect to model service"


class ActivationTimeout(UpstreamTimeout):
    msg = "Model activation timeout"


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said earlier in the conversation."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One turn for a model. `input` is the question with any quoted passages behind it.

    A model that does not remember gets `system`, `turns` and `input` as a chat. One that remembers gets
    `input` under `memory`; when it has heard nothing under that key yet although there were turns, `retold`
    holds the input with those turns before it, and is sent in its place."""

    user: UserId
    memory: MemoryId
    system: str
    input: str
    turns: Sequence[Turn] = ()  # oldest first
    retold: str | None = None
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
    remembers: bool  # the conversation, by itself, under the prompt's memory key, for ever

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """The answer piece by piece, no piece empty; ends when the model says it is finished. The text is as
        the model wrote it: a surrogate pair may be split over two pieces, and not everything is storable.

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

    async def activate(self, model: str) -> str | None:
        """Load this model and unload all others, for everybody; what the server says about it, if anything.
        It may take two minutes. From then on `models` marks it active. Raises UnknownModel,
        ActivationUnsupported, ActivationFailed, ActivationUnreachable, ActivationTimeout."""
        ...
