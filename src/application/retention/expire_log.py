import logging
from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.persistence import WorkFactory

log = logging.getLogger(__name__)

PORTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireLog:
    """The oldest lines of the action log go when they are older than `keep`; none where that is None."""

    work: WorkFactory
    clock: Clock
    keep: timedelta | None

    async def __call__(self) -> None:
        if self.keep is None:
            return
        before, expired, gone = self.clock.now() - self.keep, 0, PORTION
        while gone == PORTION:
            async with self.work() as w:
                gone = await w.log.expire(before, PORTION)
                await w.commit()
            expired += gone
        if expired:
            log.info("lines of the action log have expired", extra={"lines": expired})
