from dataclasses import dataclass

from application.accounts.end_sessions import EndSessions
from application.admin.decisions import decide
from application.ports.clock import Clock
from application.ports.persistence import Account, Work, WorkFactory
from domain.tutor_request import RequestStatus, TutorRequest, TutorRequestId, TutorRequestNotFound
from domain.user import Role, User


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideTutorRequest:
    """An admin makes the student a tutor, or does not. It is decided once, whoever else decides meanwhile."""

    work: WorkFactory
    end_sessions: EndSessions
    clock: Clock

    async def __call__(
        self, operator: Account, id: TutorRequestId, status: RequestStatus, reason: str = ""
    ) -> None:
        """Raises TutorRequestNotFound, AlreadyDecided."""
        now = self.clock.now()
        async with self.work() as w:
            user, request = await self._held(w, id)
            details: dict[str, object] = {
                "tutor_request": await decide(w, request, status, operator, reason, now)
            }
            promoted = status is RequestStatus.APPROVED and user.role is Role.STUDENT
            if promoted:
                details["role"] = [user.role.value, Role.TUTOR.value]
                user.change_role(Role.TUTOR, now)
            await w.log.record(operator, "update", user, now, details, reason or None)
            await w.commit()
        if promoted:
            await self.end_sessions(user.id, replies=False)

    @staticmethod
    async def _held(w: Work, id: TutorRequestId) -> tuple[User, TutorRequest]:
        requester = await w.tutor_requests.requester(id)
        user = await w.users.get(requester) if requester is not None else None
        request = await w.tutor_requests.get(id) if user is not None else None
        if user is None or request is None:
            raise TutorRequestNotFound
        return user, request
