from dataclasses import dataclass
from datetime import datetime

from application.accounts.end_sessions import EndSessions
from application.accounts.mails import tutor_request_mail
from application.accounts.send_mail import post
from application.ports.clock import Clock
from application.ports.persistence import System, Work, WorkFactory
from domain.tutor_request import (
    AlreadyPending,
    AlreadyTutor,
    RequestStatus,
    SignupClosed,
    TutorRequest,
    TutorSignup,
    acceptable_reason,
)
from domain.user import Role, Status, TokenDead, User, UserId


async def ask_admins(w: Work, user: User, reason: str, now: datetime) -> None:
    """A tutor request waits from now on, and every admin who may sign in is told, also by mail. What stays
    with them names the number under which their lists show him: addresses change hands, and are erased."""
    w.tutor_requests.add(TutorRequest(user_id=user.id, reason=reason, created_at=now))
    for admin in await w.users.with_role(Role.ADMIN):
        if admin.status is Status.BANNED:
            continue
        message = f"User U{user.id:03} asks to become a tutor."
        await w.notifications.add(admin.id, "New tutor request", message, "info", now)
        await post(w, tutor_request_mail(admin.email, user.email, reason, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTutor:
    """A student wants to be a tutor. At most one request of his waits at a time."""

    work: WorkFactory
    end_sessions: EndSessions
    clock: Clock
    tutor_signup: TutorSignup

    async def __call__(self, id: UserId, reason: str) -> RequestStatus:
        """`approved` where tutors are let in at once: as with every change of role, the user is logged out.
        Raises SignupClosed, AlreadyPending, AlreadyTutor, InvalidField."""
        reason, now = acceptable_reason(reason), self.clock.now()
        if self.tutor_signup is TutorSignup.CLOSED:
            raise SignupClosed
        async with self.work() as w:
            user = await w.users.get(id)  # held: nobody else asks for him meanwhile
            if user is None:
                raise TokenDead
            if user.role is not Role.STUDENT:
                raise AlreadyTutor
            waiting = await w.tutor_requests.pending_of(id)
            if self.tutor_signup is TutorSignup.OPEN:
                await _promote(w, user, waiting, now)
            elif waiting is not None:
                raise AlreadyPending
            else:
                await ask_admins(w, user, reason, now)
            await w.commit()
        if self.tutor_signup is not TutorSignup.OPEN:
            return RequestStatus.PENDING
        await self.end_sessions(id, replies=False)
        return RequestStatus.APPROVED


async def _promote(w: Work, user: User, waiting: TutorRequest | None, now: datetime) -> None:
    if waiting is not None:  # from a time when admins decided
        waiting.decide(RequestStatus.APPROVED, System().email, now)
    user.change_role(Role.TUTOR, now)
    changed: dict[str, object] = {"role": [Role.STUDENT.value, Role.TUTOR.value]}
    await w.log.record(user, "update", user, now, changed)
