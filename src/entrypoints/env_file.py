"""The `.env` file: NAME=value lines, nothing executed, nothing interpolated."""

import re
from dataclasses import dataclass, field
from pathlib import Path

LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
QUOTED = re.compile(r"""(['"])(.*)\1\s*(?:#.*)?""", re.DOTALL)
COMMENT = re.compile(r"(?:^|\s+)#.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EnvFile:
    values: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_env_file(file: Path | None) -> EnvFile:
    """What the file sets; a missing file sets nothing, an unreadable line is a problem with its number."""
    found = EnvFile()
    if file is None or not file.is_file():
        return found
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found.problems.append(f"{file} cannot be read: {_reason(error)}")
        return found
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if match := LINE.fullmatch(line):
            found.values[match[1]] = _value(match[2])
        else:
            found.problems.append(f"{file} line {number} is not NAME=value")
    return found


def _value(text: str) -> str:
    if match := QUOTED.fullmatch(text):
        return match[2]
    return COMMENT.sub("", text).strip()


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is not UTF-8 text"
