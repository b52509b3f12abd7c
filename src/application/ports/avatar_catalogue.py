from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import Invalid, NotFound, Unavailable, UpstreamFailed, UpstreamTimeout

NOT_FORWARDED = "Error forwarding to avatar service"
NOT_CONNECTED = "Failed to connect to avatar service"  # of the list alone


class CatalogueUnreachable(Unavailable):
    msg = NOT_FORWARDED


class CatalogueTimeout(UpstreamTimeout):
    msg = NOT_FORWARDED


class CatalogueFailed(UpstreamFailed):
    msg = NOT_FORWARDED


class PreviewMissing(NotFound):
    msg = "Failed to get avatar preview"


class _Rejected(Invalid):
    """`detail` is what the catalogue says, for tutors: at most 300 characters."""

    code = "upstream_rejected"

    def __init__(self, detail: str = "") -> None:
        super().__init__(**({"detail": detail} if detail else {}))


class CreationRejected(_Rejected):
    msg = "Avatar creation failed"


class DeletionRejected(_Rejected):
    msg = "Avatar deletion failed"


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A film, picture or sound on this machine's disk, whose content was looked at."""

    path: Path
    size: int
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAvatar:
    """What somebody wants to be made, every word of it checked. None: he did not say."""

    name: AvatarName
    face: Clip
    voice: Clip | None = None
    avatar_blur: bool | None = None
    support_clone: bool | None = None
    timbre: str | None = None
    tts_model: str | None = None
    avatar_model: str | None = None
    description: str | None = None
    ref_text: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    message: str
    image: str  # the base name of its picture, "" when that is not known


class AvatarCatalogue(Protocol):
    """The avatars that can be started. While a live server makes one it answers nothing else, for minutes.

    Raises CatalogueUnreachable, CatalogueTimeout and CatalogueFailed.
    """

    async def avatars(self) -> Mapping[AvatarName, Look]:
        """All of them, always in the same order."""
        ...

    async def preview(self, name: AvatarName) -> Picture:
        """Raises PreviewMissing."""
        ...

    async def add(self, new: NewAvatar) -> Added:
        """Takes minutes. The list may know of it a little later. Raises CreationRejected."""
        ...

    async def delete(self, name: AvatarName) -> str:
        """What the catalogue says about it. Raises DeletionRejected."""
        ...

    async def check(self) -> None:
        """Returns when it can be asked."""
        ...
