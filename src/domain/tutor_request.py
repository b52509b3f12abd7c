"""A student asks to become a tutor; an admin decides."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from domain.errors import Conflict, Forbidden, InvalidField, NotFound
from domain.text import nfc, require_storable
from domain.user import UserId

TutorRequestId = NewType("TutorRequestId", int)
REASON_MAX = 500


class TutorSignup(StrEnum):
    """What happens when somebody wants to be a tutor."""

    APPROVAL = "approval"
    OPEN = "open"
    CLOSED = "closed"


class RequestStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class TutorRequestNotFound(NotFound):
    msg = "Tutor request not found"


class SignupClosed(Forbidden):
    msg = "Tutor sign-up is closed"


class AlreadyTutor(Conflict):
    code = "already_decided"
    msg = "You are already a tutor"


class AlreadyPending(Conflict):
    code = "already_pending"
    msg = "A tutor request is already pending"


class AlreadyDecided(Conflict):
    code = "already_decided"
    msg = "Tutor request already decided"


@dataclass(eq=False, kw_only=True)
class TutorRequest:
    id: TutorRequestId = field(init=False)  # given by the store
    user_id: UserId
    reason: str
    status: RequestStatus = RequestStatus.PENDING
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None  # address of the admin

    def decide(self, status: RequestStatus, by: str, now: datetime) -> None:
        """Raises AlreadyDecided."""
        if self.status is not RequestStatus.PENDING:
            raise AlreadyDecided
        self.status, self.decided_by, self.decided_at = status, by, now


def acceptable_reason(text: str) -> str:
    """Why somebody asks, trimmed and in NFC; overlong and unstorable text is refused."""
    refusal = "Invalid value for 'reason'"
    text = nfc(require_storable(text, refusal), REASON_MAX).strip()
    if len(text) > REASON_MAX:
        raise InvalidField(refusal)
    return text
