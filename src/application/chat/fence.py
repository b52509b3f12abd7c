"""What others wrote as it stands in a prompt: quoted, and unable to pass for anything else. Pure."""

import re

MARGIN = "> "  # before each quoted line, so that none of them can begin like one of ours

# Nobody who reads a document sees them, a model does: control characters that end no line, zero-width and
# bidirectional ones, tags. Joiners stay, since whole scripts need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u200b\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# By these a model server tells who is speaking; some take them for that wherever they stand.
_ROLE = re.compile(r"<(?=[|｜]|/?s>|(?:start|end)_of_turn>)|\[(?=/?INST\])", re.IGNORECASE)


def harmless(text: str, nonce: str) -> str:
    """Without our marks and those of model servers: neither a fence nor a line that looks like the beginning
    or the end of a quotation. `nonce` is new for each request, so that nobody can have written it."""
    text = _HIDDEN.sub("", text)
    while nonce and nonce in text:
        text = text.replace(nonce, "")
    return _ROLE.sub(r"\g<0> ", re.sub("={3,}", "==", text))


def fence(nonce: str) -> str:
    return f"--- {nonce}"


def fenced(text: str, nonce: str) -> list[str]:
    return [fence(nonce), harmless(text, nonce), fence(nonce)]


def quoted(text: str, nonce: str) -> str:
    """Each of its lines behind a margin, whatever ends a line there."""
    lines = harmless(text, nonce).strip().splitlines() or [""]
    return "\n".join(f"{MARGIN}{line}".rstrip() for line in lines)


def on_one_line(text: str, nonce: str) -> str:
    return " ".join(harmless(text, nonce).split())
