import logging
from dataclasses import dataclass

from application.ports.active_model import ActiveModel
from application.ports.language_model import LanguageModel
from application.ports.persistence import Account

log = logging.getLogger(__name__)

LOGGED_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateModel:
    """The model server loads this model for everybody and unloads all others. It may take two minutes."""

    model: LanguageModel
    active: ActiveModel

    async def __call__(self, operator: Account, model: str) -> str:
        """What the model server says about it."""
        about = {"operator": operator.id, "model": model[:LOGGED_MAX]}
        try:
            said = await self.model.activate(model)
        except Exception:
            log.warning("model not activated", extra=about)
            raise
        await self.active.note(model)
        log.info("model activated", extra=about)
        return said or "Model activated"
