import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from application.ports.avatar_catalogue import Added, AvatarCatalogue, Clip, NewAvatar
from application.ports.persistence import Account
from application.ports.scanner import Scanner
from domain.catalogue import (
    DESCRIPTION_MAX,
    HEAD,
    REFERENCE_MAX,
    Part,
    acceptable_model,
    acceptable_style,
    acceptable_words,
    extension_of,
    new_avatar_name,
    require_content,
)
from domain.document import require_size
from domain.errors import MissingField

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it arrived, on this machine's disk."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for, unchecked. None: not said. `files` by their parts, the empty ones left out."""

    name: str | None
    files: Mapping[str, Sent] = field(default_factory=dict)
    avatar_blur: bool | None = None
    support_clone: bool | None = None
    timbre: str | None = None
    tts_model: str | None = None
    avatar_model: str | None = None
    description: str | None = None
    ref_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAvatar:
    """A tutor has an avatar made of a clip. It takes minutes; nothing is forwarded before every word and file
    has been looked at."""

    catalogue: AvatarCatalogue
    scanner: Scanner
    max_mb: Mapping[Part, int]

    def require_size(self, part: Part, size: int) -> None:
        """Raises FileTooLarge."""
        require_size(size, self.max_mb[part], "clip" if part is Part.FACE else "audio")

    async def __call__(self, operator: Account, wish: Wish) -> Added:
        new = await self._checked(wish)
        added = await self.catalogue.add(new)
        log.info("avatar added", extra={"operator": operator.id, "avatar": new.name})
        return added

    async def _checked(self, wish: Wish) -> NewAvatar:
        if not wish.name:
            raise MissingField("Missing 'name' in form-data")
        name = new_avatar_name(wish.name)
        acceptable_style("timbre", wish.timbre or "")
        acceptable_style("tts_model", wish.tts_model or "")
        if wish.avatar_model is not None:
            acceptable_model(wish.avatar_model)
        acceptable_words("description", wish.description or "", DESCRIPTION_MAX)
        acceptable_words("ref_text", wish.ref_text or "", REFERENCE_MAX)
        face = await self._clip(Part.FACE, wish)
        if face is None:
            raise MissingField("Missing 'prompt_face' in form-data")
        return NewAvatar(
            name=name,
            face=face,
            voice=await self._clip(Part.VOICE, wish),
            avatar_blur=wish.avatar_blur,
            support_clone=wish.support_clone,
            timbre=wish.timbre,
            tts_model=wish.tts_model,
            avatar_model=wish.avatar_model,
            description=wish.description,
            ref_text=wish.ref_text,
        )

    async def _clip(self, part: Part, wish: Wish) -> Clip | None:
        sent = wish.files.get(part)
        if sent is None:
            return None
        self.require_size(part, sent.size)
        extension = extension_of(part, sent.name)
        await self.scanner.scan(sent.path)
        require_content(await asyncio.to_thread(_head, sent.path), extension)
        return Clip(sent.path, sent.size, extension)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
