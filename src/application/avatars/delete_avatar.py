import logging
from dataclasses import dataclass

from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.persistence import Account
from domain.avatar import avatar_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAvatar:
    """A tutor has an avatar removed from the catalogue, for everybody."""

    catalogue: AvatarCatalogue

    async def __call__(self, operator: Account, name: str) -> str:
        """What the catalogue says about it."""
        avatar = avatar_name(name)
        said = await self.catalogue.delete(avatar)
        log.info("avatar deleted", extra={"operator": operator.id, "avatar": avatar})
        return said
