"""Foreign errors stop here: a broken constraint is a refusal, a lost database is StorageUnavailable."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.conversation import SessionNotFound
from domain.document import NameTaken
from domain.errors import DomainError, StorageUnavailable
from domain.user import EmailTaken, TokenDead

REFUSALS: dict[str, type[DomainError]] = {
    "uq_user_email": EmailTaken,  # PostgreSQL names the constraint,
    "user.email": EmailTaken,  # SQLite the column
    "uq_stored_file_user_id_stored_name": NameTaken,
    "stored_file.stored_name": NameTaken,
    "uq_stored_file_user_id_index_name": NameTaken,
    "uq_stored_file_public_index_name": NameTaken,
    "stored_file.index_name": NameTaken,
    "fk_message_session_id": SessionNotFound,  # deleted since it was looked up
    "fk_stored_file_session_id": SessionNotFound,
    "fk_session_user_id": TokenDead,  # erased since the request was let in
    "fk_stored_file_user_id": TokenDead,
    "fk_tutor_request_user_id": TokenDead,
    "fk_notification_user_id": TokenDead,
    "fk_export_user_id": TokenDead,
    "FOREIGN KEY constraint failed": TokenDead,  # all that SQLite tells; there only accounts can vanish so
}


# PostgreSQL: serialisation failure, deadlock, lock not available. Nothing was done; trying again is fine.
IN_EACH_OTHERS_WAY = frozenset({"40001", "40P01", "55P03"})
OUT_OF_RESOURCES = "53"  # disk full, out of memory, too many connections


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        for constraint, refusal in REFUSALS.items():
            if constraint in str(error.orig):
                raise refusal from error
        raise
    except (OperationalError, InterfaceError, PoolTimeout, OSError, EOFError, TimeoutError) as error:
        # drivers also raise bare socket errors and timeouts
        raise StorageUnavailable from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if error.connection_invalidated or state in IN_EACH_OTHERS_WAY or state.startswith(OUT_OF_RESOURCES):
            raise StorageUnavailable from error
        raise
