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

from domain.document import NameTaken
from domain.errors import DomainError, StorageUnavailable
from domain.user import EmailTaken

REFUSALS: dict[str, type[DomainError]] = {
    "uq_user_email": EmailTaken,  # PostgreSQL names the constraint,
    "user.email": EmailTaken,  # SQLite the column
    "uq_stored_file_user_id_stored_name": NameTaken,
    "stored_file.stored_name": NameTaken,
    "uq_stored_file_user_id_index_name": NameTaken,
    "stored_file.index_name": NameTaken,
}


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
        if error.connection_invalidated:
            raise StorageUnavailable from error
        raise
