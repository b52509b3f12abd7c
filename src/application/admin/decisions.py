"""What follows when a tutor request is decided, whichever way."""

from datetime import datetime

from application.ports.persistence import Account, Work
from domain.tutor_request import RequestStatus, TutorRequest

_TOLD = {
    RequestStatus.APPROVED: (
        "Tutor request approved",
        "You are a tutor now. Please log in again.",
        "success",
    ),
    RequestStatus.REJECTED: (
        "Tutor request rejected",
        "Your request to become a tutor was rejected.",
        "warning",
    ),
}


async def decide(
    w: Work, request: TutorRequest, status: RequestStatus, operator: Account, reason: str, now: datetime
) -> list[str]:
    """Decides it and tells who asked, with the admin's reason; old and new status, for the log. Raises
    AlreadyDecided."""
    before = request.status
    request.decide(status, operator.email, now)
    title, message, type = _TOLD[status]
    message += f" Reason: {reason}" if reason else ""
    await w.notifications.add(request.user_id, title, message, type, now)
    return [before.value, status.value]
