from datetime import datetime, timedelta

from application.ports.persistence import Work
from domain.job import JobKind
from domain.user import User

COPIES_KEPT = timedelta(hours=2)  # no copy of a reply lives as long as that outside the database
MOST_REPLIES = 1000  # nobody asks more within that time; copies of older ones would go by their time limit


async def bury(w: Work, user: User, now: datetime) -> None:
    """The account is gone for everybody once this unit of work is committed. What lies in the database goes
    with it; a job erases what lies elsewhere, until every store has confirmed."""
    email = user.email
    replies = await w.messages.replies_of(user.id, now - COPIES_KEPT, MOST_REPLIES)
    rows = await w.users.forget_rows(user.id, now)
    await w.tutor_requests.rename_decider(email, None)
    user.bury(now)
    payload: dict[str, object] = {
        "user_id": user.id,
        "email": email,
        "deleted_at": now.isoformat(),
        "replies": [list(reply) for reply in replies],
        "done": {"database": {"erased": sum(rows.values()), "at": now.isoformat()}},
    }
    await w.jobs.add(JobKind.ERASE_ACCOUNT, payload, f"erase:{user.id}", now)
