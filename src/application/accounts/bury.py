from datetime import datetime

from application.ports.persistence import Work
from domain.job import JobKind
from domain.user import User


async def bury(w: Work, user: User, now: datetime) -> None:
    """The account is gone for everybody once this unit of work is committed. What lies in the database goes
    with it; a job erases what lies elsewhere, until every store has confirmed."""
    email = user.email
    rows = await w.users.forget_rows(user.id, now)
    user.bury(now)
    payload: dict[str, object] = {
        "user_id": user.id,
        "email": email,
        "deleted_at": now.isoformat(),
        "done": {"database": {"erased": sum(rows.values()), "at": now.isoformat()}},
    }
    await w.jobs.add(JobKind.ERASE_ACCOUNT, payload, f"erase:{user.id}", now)
