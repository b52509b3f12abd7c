"""Small shapes that several controllers share."""

from datetime import UTC, datetime

import msgspec


class Said(msgspec.Struct):
    """Done; `msg` may be shown to the user."""

    msg: str


def iso(moment: datetime) -> str:
    """ISO-8601, UTC, always with microseconds and an explicit Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def file_url(id: int) -> str:
    """Where a file can be fetched."""
    return f"/api/files/{id}"
