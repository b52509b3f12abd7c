"""Telling a manager that it has one viewer less, exactly once however it goes."""

import asyncio
import logging

from application.ports.avatar_leases import ManagerCall, ManagerCalls
from application.ports.avatar_pool import AvatarPool, PoolFailed, PoolTimeout, PoolUnreachable
from application.ports.clock import Clock

log = logging.getLogger(__name__)


async def stop(pool: AvatarPool, calls: ManagerCalls, clock: Clock, call: ManagerCall) -> bool:
    """Makes a stop that is written down as open; whether the manager has said yes. If not, it stays written
    down, for whoever settles what is left over."""

    def now() -> float:
        return clock.now().timestamp()

    try:
        await pool.disconnect(call.manager, call.avatar)
    except PoolUnreachable:
        await calls.owe(call, now())
    except (PoolTimeout, PoolFailed):
        await calls.doubt(call, now())
    except asyncio.CancelledError:
        await asyncio.shield(calls.doubt(call, now()))
        raise
    else:
        await calls.close(call)
        return True
    log.warning("a disconnect is owed", extra={"user_id": call.user, "avatar": call.avatar})
    return False
