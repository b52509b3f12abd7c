import logging
from contextlib import suppress
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.change_password import ChangePassword, ProveOwner
from application.ports.persistence import Reading
from application.ports.throttle import Throttle
from domain.errors import Invalid, StorageUnavailable
from domain.user import Purpose, WrongCode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    """Who forgot his password sets another, with a code sent to his address. An unknown address is a wrong
    code, after the same work. A ban stays."""

    prove_owner: ProveOwner
    change_password: ChangePassword
    reading: Reading
    throttle: Throttle

    async def __call__(self, email: str, code: str, password: str) -> None:
        address = self._address(email)
        account = await self.reading.credentials(address)
        async with self.prove_owner(address, [Purpose.RESET_PASSWORD], code, password) as hash:
            if hash is None or account is None or not await self.change_password(account.id, address, hash):
                id = account.id if account else None
                log.info("code refused", extra={"user_id": id, "purpose": Purpose.RESET_PASSWORD})
                raise WrongCode
        with suppress(StorageUnavailable):  # the password counts already; a throttle ends by itself
            await self.throttle.forget(limits.LOGIN_PER_ACCOUNT, address)

    @staticmethod
    def _address(email: str) -> str:
        try:
            return normalised(email)
        except Invalid:  # nobody has such an address
            return email
