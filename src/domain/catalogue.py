"""Which avatars there are to choose from, and what a new one is made of."""

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.avatar import AvatarName, InvalidAvatarName, avatar_name
from domain.document import MISMATCH, BadFile, FileTypeNotAllowed
from domain.errors import InvalidField
from domain.text import require_storable

DESCRIPTION_MAX, REFERENCE_MAX = 500, 1000
MODELS = ("MuseTalk", "Wav2Lip", "SyncNet")
RESERVED = "token"  # as a key of an answer, clients would take what stands under it for their login
_STYLE = re.compile(r"[A-Za-z0-9 ._+-]{0,64}")  # the live server builds command lines from these


class Part(StrEnum):
    """What a new avatar is made of, besides words."""

    FACE = "prompt_face"
    VOICE = "prompt_voice"


EXTENSIONS = {
    Part.FACE: ("avi", "jpeg", "jpg", "mkv", "mov", "mp4", "png"),
    Part.VOICE: ("m4a", "mp3", "wav"),
}
HEAD = 32  # bytes that are enough to tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An avatar in the catalogue. An older live server tells names alone: then `support_clone` and
    `avatar_blur` are not known."""

    support_clone: bool | None = None
    description: str = ""
    status: str = "active"
    timbre: str = ""
    tts_model: str = ""
    avatar_model: str = ""
    avatar_blur: bool | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A speech model that avatars can have. One that clones has no timbres of its own."""

    full_name: str
    clone: bool = False
    status: str = "active"
    license: str = ""
    timbres: tuple[str, ...] | None = None
    cur_timbre: str | None = None


def new_avatar_name(text: str) -> AvatarName:
    """A name that an avatar may be given."""
    name = avatar_name(text)
    if name == RESERVED:
        raise InvalidAvatarName
    return name


def acceptable_style(field: str, text: str) -> str:
    if not _STYLE.fullmatch(text):
        raise InvalidField(f"Invalid value for '{field}'")
    return text


def acceptable_model(text: str) -> str:
    """One of the lip-sync models, in any letter case."""
    if text.lower() not in {model.lower() for model in MODELS}:
        raise InvalidField("Invalid value for 'avatar_model'")
    return text


def acceptable_words(field: str, text: str, most: int) -> str:
    refusal = f"Invalid value for '{field}'"
    if len(require_storable(text, refusal)) > most:
        raise InvalidField(refusal)
    return text


def extension_of(part: Part, filename: str) -> str:
    """What the file's name says it is."""
    extension = filename.rpartition(".")[2].lower() if "." in filename else ""
    if extension not in EXTENSIONS[part]:
        shown = extension if re.fullmatch(r"[a-z0-9]{1,10}", extension) else ""
        raise FileTypeNotAllowed(
            f"File type '.{shown}' not allowed. Allowed types: {', '.join(EXTENSIONS[part])}"
        )
    return extension


_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}  # what QuickTime files and MP4s begin with
_NO_FILMS = {b"M4A ", b"M4B ", b"M4P ", b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"}


def require_content(head: bytes, extension: str) -> None:
    """Refuses a clip, picture or sound whose first bytes are not of the kind its name says."""
    film = head[4:8] in _BOXES and not (head[4:8] == b"ftyp" and head[8:12] in _NO_FILMS)
    fits = {
        "png": head.startswith(b"\x89PNG\r\n\x1a\n"),
        "jpg": head.startswith(b"\xff\xd8\xff"),
        "jpeg": head.startswith(b"\xff\xd8\xff"),
        "mp4": film,
        "mov": film,
        "avi": head.startswith(b"RIFF") and head[8:12] == b"AVI ",
        "mkv": head.startswith(b"\x1aE\xdf\xa3"),
        "wav": head.startswith(b"RIFF") and head[8:12] == b"WAVE",
        "m4a": head[4:8] == b"ftyp",
        "mp3": head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2),
    }
    if not fits[extension]:
        raise BadFile(MISMATCH)
