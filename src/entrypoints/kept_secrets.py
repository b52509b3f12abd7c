"""Secrets made once and kept: one file each, readable by its owner only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """The folder, made if missing, closed to everybody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def kept_secret(folder: Path, name: str) -> str:
    """The secret of that name; made at the first call. Processes that race for it agree on one value."""
    file = private_folder(folder) / name
    if not file.exists():
        _offer(file, secrets.token_urlsafe(48))
    return file.read_text("ascii").strip()


def _offer(file: Path, value: str) -> None:
    """Write beside, then link: the file appears whole, and only the first of several writers makes it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(value + "\n")
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # somebody else was first: his value counts
            file.hardlink_to(draft)
    finally:
        draft.unlink()
