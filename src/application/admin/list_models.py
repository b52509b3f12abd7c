import logging
from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.active_model import ActiveModel
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
    the one that is asked first). A server that loads models on demand lists none: there the one that an
    administrator had it load is asked."""

    model: LanguageModel
    active: ActiveModel
    configured: Sequence[str]

    async def __call__(self) -> list[ListedModel]:
        try:
            listed, up = await self.model.models(), True
        except DomainError as error:
            log.warning("models not listed", extra={"error": type(error).__name__})
            listed, up = (), False
        loaded = await self.active.noted()
        if listed and loaded is None:
            return [ListedModel(model, model.active, model.active) for model in listed]
        names = list(self.configured)
        if loaded is not None and loaded not in names:
            names.insert(0, loaded)
        asked = loaded or next(iter(names), None)
        return [ListedModel(Model(name), name == asked, up and name == asked) for name in names]
