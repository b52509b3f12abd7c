from collections.abc import Mapping
from dataclasses import dataclass, field

from application.accounts.addresses import normalised
from application.accounts.mails import account_made_mail
from application.accounts.send_mail import post
from application.admin.guards import require_rank
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher
from application.ports.persistence import Actor, WorkFactory
from domain.user import (
    EmailTaken,
    Status,
    UserExists,
    UserId,
    acceptable_password,
    acceptable_picture,
    acceptable_profile_text,
    new_user,
    role_of,
    status_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """As it was asked for. Without a `username` among the texts the local part of the address is taken."""

    email: str
    password: str = field(repr=False)
    role: str
    status: str = Status.INACTIVE
    texts: Mapping[str, str] = field(default_factory=dict)  # of the profile
    picture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """An account of any role, made by an admin or by whoever runs the house; its address counts as proven."""

    work: WorkFactory
    hasher: PasswordHasher
    clock: Clock
    common_passwords: frozenset[str]

    async def __call__(self, operator: Actor, wanted: NewUser) -> UserId:
        """Raises InvalidField, WeakPassword, OnlyAdmins, UserExists."""
        address, role, status = normalised(wanted.email), role_of(wanted.role), status_of(wanted.status)
        texts = {name: acceptable_profile_text(name, text) for name, text in wanted.texts.items()}
        picture = acceptable_picture(wanted.picture)
        require_rank(operator, role)
        password = acceptable_password(wanted.password, address, self.common_passwords)
        now = self.clock.now()
        user = new_user(address, await self.hasher.hash(password), role, now)
        user.status = status
        user.own_profile(now).change({**texts, "avatar_url": picture}, now)
        async with self.work() as w:
            w.users.add(user)
            try:
                await w.flush()
            except EmailTaken as error:
                raise UserExists from error
            await w.log.record(operator, "create", user, now, {"role": role.value})
            await post(w, account_made_mail(address, now))
            await w.commit()
        return user.id
