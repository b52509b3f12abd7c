"""Models that come as Python packages are data to us: found through package metadata, checked, never
imported."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


class DataFileMissing(Exception):
    """The package that should carry the file is not installed, or carries no such file."""


class DataFileDamaged(Exception):
    """The bytes are not the ones we know."""


def packaged_file(package: str, name: str) -> Path:
    """Where an installed package keeps a data file; where several have its name, add the folder: "a/b.onnx".
    Raises DataFileMissing."""
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError as error:
        raise DataFileMissing(f"{package} is not installed") from error
    found = [Path(str(file.locate())) for file in files if file.match(name)]
    if not found or not found[0].is_file():
        raise DataFileMissing(f"{package} carries no {name}")
    return found[0]


def verify(file: Path, sha256: str, stamps: Path | None = None) -> None:
    """Returns when the file is the one with this hash; raises DataFileDamaged.

    With `stamps`, a folder only we can write to, a file that was verified there and has kept its size and
    times since is not read again.
    """
    state = file.stat()
    mark = f"{file.resolve()}\n{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}\n"
    stamp = stamps / f"{sha256}.verified" if stamps else None
    if stamp and _read(stamp) == mark:
        return
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
            raise DataFileDamaged(f"{file.name} is damaged or not the file it should be")
    if stamp:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(mark, encoding="utf-8")


def _read(stamp: Path) -> str | None:
    try:
        return stamp.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
