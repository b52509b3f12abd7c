import logging
from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.persistence import WorkFactory

log = logging.getLogger(__name__)

PORTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireLog:
    """The oldest lines of the action log go when they are older than `keep`, a portion at a time; none where
    that is None."""

    work: WorkFactory
    clock: Clock
    keep: timedelta | None

    async def __call__(self) -> bool:
        """Whether there may be more."""
        if self.keep is None:
            return False
        async with self.work() as w:
            expired = await w.log.expire(self.clock.now() - self.keep, PORTION)
            await w.commit()
        if expired:
            log.info("lines of the action log have expired", extra={"lines": expired})
        return expired == PORTION
