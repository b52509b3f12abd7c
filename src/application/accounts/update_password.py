import logging
from dataclasses import dataclass

from application.accounts.change_password import ChangePassword, ProveOwner
from application.ports.persistence import Account
from domain.user import Purpose, TokenDead, WrongCode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePassword:
    """Who is logged in changes his password, with a code sent to his address as it is now."""

    prove_owner: ProveOwner
    change_password: ChangePassword

    async def __call__(self, account: Account, code: str, password: str) -> None:
        purposes = [Purpose.UPDATE_PASSWORD, Purpose.RESET_PASSWORD]
        async with self.prove_owner(account.email, purposes, code, password) as hash:
            if hash is None:
                log.info("code refused", extra={"user_id": account.id, "purpose": Purpose.UPDATE_PASSWORD})
                raise WrongCode
            if not await self.change_password(account.id, account.email, hash):
                raise TokenDead
