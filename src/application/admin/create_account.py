from dataclasses import dataclass

from application.accounts.addresses import normalised
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher
from application.ports.persistence import WorkFactory
from domain.user import Role, UserId, acceptable_password, new_user


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAccount:
    """An account of any role, made by whoever runs the house; its address counts as proven."""

    work: WorkFactory
    hasher: PasswordHasher
    clock: Clock
    common_passwords: frozenset[str]

    async def __call__(self, email: str, password: str, role: Role) -> UserId:
        """Raises EmailTaken, WeakPassword, InvalidField."""
        address = normalised(email)
        password = acceptable_password(password, address, self.common_passwords)
        user = new_user(address, await self.hasher.hash(password), role, self.clock.now())
        async with self.work() as w:
            w.users.add(user)
            await w.flush()
            await w.log.record(user, "create", user, user.created_at, {"role": role.value})
            await w.commit()
        return user.id
