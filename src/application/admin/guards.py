"""Who may do what to whom. The use cases ask, inside the unit of work that changes something."""

from collections.abc import Collection

from application.ports.persistence import Account, Actor, System
from domain.user import LastAdmin, OnlyAdmins, OwnAccount, Role, User, UserId


def require_rank(operator: Actor, *roles: Role) -> None:
    """A tutor who administers neither makes nor touches admins: `roles` are what somebody has or gets."""
    if Role.ADMIN in roles and operator.role != Role.ADMIN and not isinstance(operator, System):
        raise OnlyAdmins


def require_somebody_else(operator: Account, target: User) -> None:
    if operator.id == target.id:
        raise OwnAccount


def require_another_admin(admins: Collection[UserId], leaving: User) -> None:
    """`admins` are held, so nobody else lets one go meanwhile."""
    if set(admins) == {leaving.id}:
        raise LastAdmin
