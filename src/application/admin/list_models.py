import logging
from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.language_model import LanguageModel, Model
from domain.errors import DomainError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """`selected`: the one that is asked. `answers`: and it can be asked right now."""

    model: Model
    selected: bool
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels:
    """The models there are: what the model server lists, else what the house has configured (`configured`,
    the one that is asked first)."""

    model: LanguageModel
    configured: Sequence[str]

    async def __call__(self) -> list[ListedModel]:
        try:
            listed, up = await self.model.models(), True
        except DomainError as error:
            log.warning("models not listed", extra={"error": type(error).__name__})
            listed, up = (), False
        if listed:
            return [ListedModel(model, model.active, model.active) for model in listed]
        return [
            ListedModel(Model(name), selected=n == 0, answers=up and n == 0)
            for n, name in enumerate(self.configured)
        ]
