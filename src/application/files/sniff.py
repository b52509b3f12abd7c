"""What a file's first bytes say about its kind; documents are looked into by the extractor."""

from domain.document import MISMATCH, BadFile

HEAD = 32  # bytes that are enough to tell

_PICTURES = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"crx ")  # in the same container


def _is_m4a(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] not in _PICTURES


def _is_mp3(head: bytes) -> bool:
    return head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)


def check_media(head: bytes, extension: str) -> None:
    """Refuses an image or a sound whose content is not of the kind its name says."""
    fits = {
        "png": head.startswith(b"\x89PNG\r\n\x1a\n"),
        "jpg": head.startswith(b"\xff\xd8\xff"),
        "jpeg": head.startswith(b"\xff\xd8\xff"),
        "wav": head.startswith(b"RIFF") and head[8:12] == b"WAVE",
        "m4a": _is_m4a(head),
        "mp3": _is_mp3(head),
    }
    if not fits[extension]:
        raise BadFile(MISMATCH)


MIME = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
