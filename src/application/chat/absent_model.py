from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from typing_extensions import override

from application.ports.language_model import (
    ActivationUnsupported,
    LanguageModel,
    Model,
    ModelUnreachable,
    Prompt,
)


@dataclass(slots=True)
class AbsentModel(LanguageModel):
    """Stands where no model is installed: documents are still quoted, nothing else can be answered."""

    name: str = "quotations from documents (no model is installed)"
    remembers: bool = False

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        raise ModelUnreachable
        yield  # makes this the generator that the port promises

    @override
    async def check(self) -> None:
        raise ModelUnreachable

    @override
    async def models(self) -> Sequence[Model]:
        raise ModelUnreachable

    @override
    async def activate(self, model: str) -> str | None:
        raise ActivationUnsupported
