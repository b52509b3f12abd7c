"""Deleted accounts are erased everywhere, however long it takes, and there is a receipt for it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from application.accounts.bury import COPIES_KEPT, MOST_REPLIES
from application.ports.clock import Clock
from application.ports.persistence import System, Target, Work, WorkFactory
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.conversation import MessageId, SessionId
from domain.user import UserId

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """What a job's payload says: who is to be erased, which stores have confirmed, how much others have
    erased so far."""

    departed: Departed
    done: dict[str, Any]
    partly: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Progress":
        departed = Departed(
            id=UserId(int(payload["user_id"])),
            email=payload["email"],
            deleted_at=datetime.fromisoformat(payload["deleted_at"]),
            replies=[(SessionId(session), MessageId(reply)) for session, reply in payload["replies"]],
        )
        return cls(departed, dict(payload["done"]), dict(payload.get("partly", {})))

    @property
    def payload(self) -> dict[str, object]:
        return {
            "user_id": self.departed.id,
            "email": self.departed.email,
            "deleted_at": self.departed.deleted_at.isoformat(),
            "replies": [list(reply) for reply in self.departed.replies],
            "done": self.done,
            "partly": self.partly,
        }

    @property
    def job(self) -> str:
        return f"erase:{self.departed.id}"

    def confirmed(self, store: str, erased: int, now: datetime) -> None:
        self.done[store] = {"erased": erased + self.partly.pop(store, 0), "at": now.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseAccount:
    """Asks every store that has not confirmed yet, and signs off when all have. Safe to run again after a
    crash anywhere: progress is kept after each store, the receipt and the end of the row are one commit."""

    work: WorkFactory
    stores: Sequence[PersonalStore]
    clock: Clock

    async def __call__(self, payload: Mapping[str, Any]) -> None:
        """Raises when somebody must be asked again."""
        progress = Progress.of(payload)
        failures = [failure for store in self.stores if (failure := await self._ask(store, progress))]
        if failures:
            raise failures[0]
        await self._sign_off(progress)

    async def _ask(self, store: PersonalStore, progress: Progress) -> Exception | None:
        """What kept the store from erasing everything; it does not keep the others from it."""
        if store.name in progress.done:
            return None
        try:
            erased = await store.erase(progress.departed)
        except Exception as error:  # noqa: BLE001 (a bug in one store must not save what lies in the others)
            log.warning(
                "a store has not been erased yet",
                extra={
                    "store": store.name,
                    "user_id": progress.departed.id,
                    "error": type(error.__cause__ or error).__name__,
                },
            )
            if isinstance(error, StillThere) and error.erased:
                progress.partly[store.name] = progress.partly.get(store.name, 0) + error.erased
                await self._remember(progress)
            return error
        progress.confirmed(store.name, erased, self.clock.now())
        await self._remember(progress)
        return None

    async def _remember(self, progress: Progress) -> None:
        async with self.work() as w:
            await w.jobs.amend(progress.job, progress.payload)
            await w.commit()

    async def _sign_off(self, progress: Progress) -> None:
        """The receipt, once; then nothing is left but the log."""
        departed = progress.departed
        async with self.work() as w:
            if await w.users.buried(departed.id) is None:
                return  # we have been here before, and the end of the job got lost
            if await self._something_came_late(w, progress):
                await w.jobs.amend(progress.job, progress.payload)
                await w.commit()
                raise StillThere
            if await w.users.by_email(departed.email) is None:  # else it is somebody else's by now
                await w.tutor_requests.rename_decider(departed.email, None)
            target = Target(departed.id, departed.email)
            await w.log.record(System(), "erase", target, self.clock.now(), progress.done)
            await w.users.remove(departed.id)
            await w.commit()

    async def _something_came_late(self, w: Work, progress: Progress) -> bool:
        """A request that was let in just before the deletion may have stored something just after it. All
        stores are asked again then."""
        user, now = progress.departed.id, self.clock.now()
        late = await w.messages.replies_of(user, progress.departed.deleted_at - COPIES_KEPT, MOST_REPLIES)
        rows = sum((await w.users.forget_rows(user, now)).values())
        if not rows and not await w.files.personal_of(user) and not await w.exports.of(user):
            return False
        before = progress.done
        for store in self.stores:
            progress.partly[store.name] = before[store.name]["erased"]
        progress.done = {
            "database": {"erased": before["database"]["erased"] + rows, "at": now.isoformat()},
        }
        progress.departed = Departed(
            user, progress.departed.email, progress.departed.deleted_at, [*progress.departed.replies, *late]
        )
        return True
