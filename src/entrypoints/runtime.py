"""What a running server tells other processes of its data folder: where its embedded parts listen."""

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from entrypoints.kept_secrets import private_folder
from entrypoints.settings import Settings

EMBEDDED_MODEL = "embedded"  # the name the model server child answers to


class NotRunning(Exception):
    """An embedded part is needed, and no server runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Written by `serve`, readable by its owner only, gone when the server is."""

    pid: int
    address: str
    redis_url: str | None = None  # of the embedded Redis
    llm_url: str | None = None  # of the embedded model server, None when there is no model file
    llm_api_key: str | None = None
    avatars_url: str | None = None  # of the embedded Avatar Manager
    avatars_secret: str | None = None  # for it and for the instances it starts


def runtime_file(data_dir: Path) -> Path:
    return data_dir / "run" / "runtime.json"


def metrics_folder(data_dir: Path) -> Path:
    """Where workers leave what they have counted; made by `serve` if somebody may ask for it."""
    return data_dir / "run" / "metrics"


def write_runtime(data_dir: Path, runtime: Runtime) -> None:
    file = runtime_file(data_dir)
    draft = private_folder(file.parent) / f".runtime.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(runtime), out)
    draft.replace(file)


def remove_runtime(data_dir: Path) -> None:
    runtime_file(data_dir).unlink(missing_ok=True)


def read_runtime(data_dir: Path) -> Runtime | None:
    """The server running on this data folder, or None; what a killed one left behind does not count."""
    try:
        runtime = Runtime(**json.loads(runtime_file(data_dir).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return runtime if _is_alive(runtime.pid) else None


def resolve(settings: Settings) -> Settings:
    """The settings with `embedded` replaced by the addresses of the running server. Raises NotRunning where
    nothing else would do."""
    if not (settings.redis_is_embedded or settings.runs_model or settings.avatars_are_embedded):
        return settings
    runtime = read_runtime(settings.data_dir)
    if runtime is None:
        if not (settings.redis_is_embedded or settings.llm_is_embedded):
            return settings
        raise NotRunning(
            f"This needs the parts that run inside the server of {settings.data_dir}: "
            "start `virtual-tutor serve` first, or set REDIS_URL and LLM_URL."
        )
    found = settings
    if settings.redis_is_embedded and runtime.redis_url:
        found = replace(found, redis_url=runtime.redis_url)
    if runtime.llm_url:
        found = replace(found, embedded_llm=(runtime.llm_url, runtime.llm_api_key or ""))
    if settings.avatars_are_embedded and runtime.avatars_url:
        found = replace(found, embedded_avatars=(runtime.avatars_url, runtime.avatars_secret or ""))
    if settings.llm_is_embedded and runtime.llm_url:
        found = replace(
            found, llm_url=runtime.llm_url, llm_api_key=runtime.llm_api_key, llm_model=EMBEDDED_MODEL
        )
    return found


def _is_alive(pid: int) -> bool:
    with suppress(PermissionError):  # somebody else's, so it lives
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
