"""Databases with today's tables, without migrating each."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy.engine import make_url

from adapters.sql import migrate


def migrated(url: str) -> None:
    """As `migrate.upgrade` leaves it. A new file is a copy of one that was migrated before."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or Path(parsed.database).exists():
        migrate.upgrade(url)
        return
    file = Path(parsed.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(), file)


@cache
def _template() -> Path:
    file = Path(tempfile.mkdtemp(prefix="vt-test-")) / "app.db"
    migrate.upgrade(f"sqlite+aiosqlite:///{file}")
    assert [path.suffix for path in file.parent.iterdir() if path != file] == [".lock"]  # all is in the file
    return file
