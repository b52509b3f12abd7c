import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from application.accounts.addresses import normalised
from application.accounts.end_sessions import EndSessions
from application.admin.decisions import decide
from application.admin.guards import require_another_admin, require_rank, require_somebody_else
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.persistence import Account, Work, WorkFactory
from domain.errors import MissingField, StorageUnavailable
from domain.tutor_request import RequestStatus
from domain.user import (
    Role,
    Status,
    User,
    UserId,
    UserNotFound,
    acceptable_profile_text,
    role_of,
    status_of,
)

log = logging.getLogger(__name__)

_NAMES = {Role.STUDENT: "a student", Role.TUTOR: "a tutor", Role.ADMIN: "an admin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """As it was asked for. "" keeps address, role, status and username, and clears any other text."""

    email: str = ""
    role: str = ""
    status: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)  # of the profile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    email: str | None
    role: Role | None
    status: Status | None
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditUser:
    """An admin changes an account: all that he wants or nothing. What is revoked is dead with the change."""

    work: WorkFactory
    codes: Codes
    end_sessions: EndSessions
    clock: Clock

    async def __call__(self, operator: Account, id: UserId, edit: Edit) -> None:
        """Raises MissingField, InvalidField, UserNotFound, OnlyAdmins, OwnAccount, LastAdmin, EmailTaken."""
        wanted, now = _read(edit), self.clock.now()
        async with self.work() as w:
            admins = await w.users.hold_admins()
            user = await w.users.get(id)
            if user is None:
                raise UserNotFound
            _check(operator, user, wanted, admins)
            changed = _change(user, wanted, now)
            if isinstance(addresses := changed.get("email"), list):
                await w.tutor_requests.rename_decider(*addresses)
            if "role" in changed:
                await _tell_and_resolve(w, operator, user, changed, now)
            if changed:
                await w.log.record(operator, "update", user, now, changed)
            await w.commit()
        await self._tidy(user, changed)

    async def _tidy(self, user: User, changed: Mapping[str, object]) -> None:
        banned = "status" in changed and user.status is Status.BANNED
        if banned or "role" in changed:
            await self.end_sessions(user.id, replies=banned)
        addresses = changed.get("email")
        if isinstance(addresses, list):
            try:
                for address in addresses:
                    await self.codes.forget(address)
            except StorageUnavailable:  # they open nothing: each is bound to an address nobody has it at
                log.warning("codes not tidied up", extra={"user_id": user.id})


def _read(edit: Edit) -> _Wanted:
    texts = {name: acceptable_profile_text(name, text) for name, text in edit.texts.items()}
    if not texts.get("username"):
        texts.pop("username", None)
    if not (edit.email or edit.role or edit.status or texts):
        raise MissingField("Missing request data")
    return _Wanted(
        email=normalised(edit.email) if edit.email else None,
        role=role_of(edit.role) if edit.role else None,
        status=status_of(edit.status) if edit.status else None,
        texts=texts,
    )


def _check(operator: Account, user: User, edit: _Wanted, admins: set[UserId]) -> None:
    role = edit.role or user.role
    banned = edit.status is Status.BANNED
    require_rank(operator, user.role, role)
    if banned or role is not user.role:
        require_somebody_else(operator, user)
    if banned or role is not Role.ADMIN:
        require_another_admin(admins, user)


def _change(user: User, edit: _Wanted, now: datetime) -> dict[str, object]:
    """Field by field what was and what is, as the log shows it."""
    changed: dict[str, object] = {}
    if edit.email is not None and edit.email != user.email:
        changed["email"] = [user.email, edit.email]
        user.email = edit.email
    status = user.status
    if edit.role is not None and edit.role is not user.role:
        changed["role"] = [user.role.value, edit.role.value]
        user.change_role(edit.role, now)
    if edit.status is not None and edit.status is not status:
        changed["status"] = [status.value, edit.status.value]
    if edit.status is not None and edit.status is not user.status:
        user.change_status(edit.status, now)
    if edit.texts:
        changed |= user.own_profile(now).change(edit.texts, now)
    return changed


async def _tell_and_resolve(
    w: Work, operator: Account, user: User, changed: dict[str, object], now: datetime
) -> None:
    """A request that still waits is answered by the new role: who got at least what he asked for is
    approved."""
    message = f"An administrator changed your role: you are {_NAMES[user.role]} now. Please log in again."
    await w.notifications.add(user.id, "Your role was changed", message, "info", now)
    if request := await w.tutor_requests.pending_of(user.id):
        status = RequestStatus.REJECTED if user.role is Role.STUDENT else RequestStatus.APPROVED
        changed["tutor_request"] = await decide(w, request, status, operator, "", now)
