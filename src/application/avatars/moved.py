from application.avatars.confirm import UseLease
from application.ports.avatar_instances import InstanceUnreachable
from domain.avatar import Lease, NoAvatar


async def moved(use_lease: UseLease, lease: Lease, refused: InstanceUnreachable) -> Lease:
    """The lease whose instance listens elsewhere by now. Where it does not, the refusal stands, also when
    the lease has gone with its instance: the user has to start it again."""
    try:
        found = await use_lease(lease.user, doubted=lease)
    except NoAvatar:
        raise refused from None
    if found.number != lease.number or found.instance.same_launch(lease.instance):
        raise refused
    return found
