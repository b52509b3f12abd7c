"""Files that people bring, and the passages found in them."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from domain.conversation import MessageId, SessionId
from domain.errors import Conflict, Invalid, NotFound, TooLarge
from domain.text import nfc
from domain.user import Role, UserId

FileId = NewType("FileId", int)

MB = 1024 * 1024
MISMATCH = "File content does not match its type"
NAME_MAX = 150


class FileKind(StrEnum):
    DOCUMENT = "document"
    IMAGE = "image"
    AUDIO = "audio"


class IndexState(StrEnum):
    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"


EXTENSIONS: dict[FileKind, tuple[str, ...]] = {
    FileKind.IMAGE: ("jpeg", "jpg", "png"),
    FileKind.AUDIO: ("m4a", "mp3", "wav"),
    FileKind.DOCUMENT: ("docx", "md", "pdf", "txt"),
}
LABELS = {FileKind.IMAGE: "images", FileKind.AUDIO: "audio", FileKind.DOCUMENT: "documents"}
KIND_OF = {extension: kind for kind, extensions in EXTENSIONS.items() for extension in extensions}


class FileTypeNotAllowed(Invalid):
    code = "file_type"


class BadFile(Invalid):
    """The bytes are not what their name says, or nothing can be read from them."""

    code = "bad_file"


class FileTooLarge(TooLarge):
    pass


def require_size(size: int, max_mb: int, kind: str) -> None:
    """Asked while a file comes and once it is there. Raises FileTooLarge."""
    if size > max_mb * MB:
        raise FileTooLarge(f"File too large. Maximum size for {kind} files is {max_mb} MB")


class QuotaExceeded(TooLarge):
    """One more file would be more than its owner may keep."""


class FileNotFound(NotFound):
    msg = "File not found"


class NameTaken(Conflict):
    """Another upload took the stored or the index name in the same moment."""


@dataclass(eq=False, kw_only=True)
class StoredFile:
    """A file of a user (or, public, of the house). Its bytes lie under `disk_name`, which nobody chooses."""

    id: FileId = field(init=False)
    user_id: UserId | None
    public: bool = False
    message_id: MessageId | None = None
    session_id: SessionId | None = None
    original_name: str
    stored_name: str
    disk_name: str
    kind: FileKind
    mime: str
    size: int
    sha256: str
    index_name: str | None = None  # what a RAG service is told as file name; unique per owner
    rag_status: IndexState | None = None
    rag_error: str | None = None
    index_report: dict[str, object] | None = None  # what the index made of it, in the words of a RAG service
    created_at: datetime
    deleted_at: datetime | None = None

    @property
    def path(self) -> str:
        """An identifier and display text, not a place on a disk."""
        return f"uploads/{self.user_id}/{self.stored_name}"

    @property
    def extension(self) -> str:
        return self.original_name.rpartition(".")[2].lower()

    def is_source(self, source: Mapping[str, object]) -> bool:
        """Whether a stored source (`Source.told`) is a passage of this file. One without a number says no
        more than a name."""
        number = source.get("file_id")
        return source.get("filename") == self.original_name if number is None else number == self.id

    def is_open_to(self, user: UserId, role: Role) -> bool:
        """To fetch and to delete: a public one to all who teach, any other to its owner."""
        return role.teaches if self.public else self.user_id == user


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a document: characters `start` to `end` of its page (1-based; None where a format has
    no pages). `owner` None means public."""

    file_id: FileId
    owner: UserId | None
    ordinal: int
    page: int | None
    start: int
    end: int
    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that may answer a question. `score` is for display (0 to 1 with our own index; whatever the
    RAG service reports otherwise). `similarity` is the cosine to the question where we know it, and
    `nearness` that of each of its lines (`application.retrieval.lines`) once somebody judges them."""

    filename: str
    page: int | None
    text: str
    score: float | None
    similarity: float | None = None
    file_id: FileId | None = None  # None: of a file that we do not have, or do not know yet
    public: bool | None = None  # of the public base, where somebody else's index says so
    nearness: tuple[float, ...] = ()


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks without a shape
_WINDOWS_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Usage:
    """How much somebody keeps."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one user may keep, whatever kind of files it is."""

    files: int
    mb: int

    def require_room(self, used: Usage, size: int) -> None:
        """For one more file of this size. Raises QuotaExceeded."""
        if used.files >= self.files:
            raise QuotaExceeded(f"You have too many files (max {self.files}). Please delete some first.")
        if used.bytes + size > self.mb * MB:
            raise QuotaExceeded(f"Your files are too large (max {self.mb} MB). Please delete some first.")


def clean_filename(raw: str) -> str:
    """The name a person gave a file, made harmless: base name only, NFC, no control, bidi or zero-width
    characters, no leading or trailing dots and blanks, at most 150 characters with the extension kept."""
    name = "".join(filter(_is_visible, re.split(r"[/\\]", raw)[-1]))
    name = _trimmed(nfc(_shortened(name, 4 * NAME_MAX), NAME_MAX))
    if _WINDOWS_RESERVED.fullmatch(name):
        name = f"_{name}"
    name = _shortened(name, NAME_MAX)
    if not name:
        raise Invalid("Invalid filename")
    return name


def _is_visible(character: str) -> bool:
    return character not in _FILLERS and unicodedata.category(character) not in _INVISIBLE


def _shortened(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    stem, dot, extension = name.rpartition(".")
    if dot and len(extension) <= 10:
        return _trimmed(stem[: most - len(extension) - 1]) + "." + extension
    return _trimmed(name[:most])


def _trimmed(name: str) -> str:
    """Without dots and blanks, of whatever width, at its ends."""
    return re.sub(r"^[.\s]+|[.\s]+$", "", name)


def kind_of(name: str, *welcome: FileKind) -> tuple[FileKind, str]:
    """Kind and lower-case extension of a cleaned name; of any kind where none is named as welcome. Raises
    FileTypeNotAllowed."""
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    kind = KIND_OF.get(extension)
    if kind is None or (welcome and kind not in welcome):
        allowed = ", ".join(
            f"{label} ({', '.join(EXTENSIONS[kind])})"
            for kind, label in LABELS.items()
            if not welcome or kind in welcome
        )
        raise FileTypeNotAllowed(f"File type '.{extension[:20]}' not allowed. Allowed types: {allowed}")
    return kind, extension


def index_name(name: str) -> str:
    """What a RAG service may be told: it joins names to paths and filter expressions unchecked."""
    safe = re.sub(r"[\"'\\%\[\](){}<>]", "_", name)
    return f"{safe}.txt" if safe.lower().endswith(".md") else safe


def numbered(name: str, n: int) -> str:
    """The n-th variant of a name that is taken: `a.pdf`, `a-2.pdf`, `a-3.pdf` …"""
    if n < 2:
        return name
    stem, dot, extension = name.rpartition(".")
    return f"{stem}-{n}.{extension}" if dot else f"{name}-{n}"
