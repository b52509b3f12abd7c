from collections.abc import Mapping
from dataclasses import dataclass

from application.accounts.limits import PROFILE_CHANGES
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.throttle import Throttle
from domain.errors import RateLimited
from domain.user import PROFILE_MAX, TokenDead, UserId, acceptable_profile_text


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProfile:
    """Somebody says who he is. What is not among the texts of a profile binds nothing."""

    work: WorkFactory
    throttle: Throttle
    clock: Clock

    async def __call__(self, id: UserId, texts: Mapping[str, str]) -> None:
        """`texts` by their names; "" clears, but never the username. Raises InvalidField, RateLimited."""
        wanted = {name: acceptable_profile_text(name, texts[name]) for name in PROFILE_MAX if name in texts}
        if not wanted.get("username"):
            wanted.pop("username", None)
        if wanted and (wait := await self.throttle.take(PROFILE_CHANGES, str(id))):
            raise RateLimited(retry_after=wait)
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(id)
            if user is None:
                raise TokenDead
            if changed := user.own_profile(now).change(wanted, now):
                await w.log.record(user, "update", user, now, changed)
            await w.commit()
