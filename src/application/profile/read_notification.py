from dataclasses import dataclass

from application.ports.persistence import WorkFactory
from domain.errors import NotFound
from domain.user import UserId


class NotificationNotFound(NotFound):
    msg = "Notification not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNotification:
    """Somebody has seen a notification of his; doing it twice is fine."""

    work: WorkFactory

    async def __call__(self, user: UserId, notification: int) -> None:
        async with self.work() as w:
            if not await w.notifications.mark_read(user, notification):
                raise NotificationNotFound
            await w.commit()
