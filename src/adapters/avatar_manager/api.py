"""What the manager answers: the protocols of an Avatar Manager and of a live server, at one address."""

import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.avatar_manager.catalogue import Catalogue, NoPictures
from adapters.avatar_manager.pool import Info, Pool, StartFailed
from adapters.avatar_manager.roster import Full, NotOn, UnknownAvatar
from adapters.loopback import Answer, Asked, Refusal, Route

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
OF_A_USER = re.compile(r"_user_[0-9]+$")
AT_CAPACITY = "已达到最大限制"  # in the words that callers look for
RETRY_AFTER_S = 10
NEEDS_GPU = (
    "This server draws its avatars itself. New avatars from a face clip need a GPU avatar pool: "
    "set AVATAR_MANAGER_URL to one."
)
STAYS = "The avatars that this server draws itself cannot be deleted"


def refused(refusal: Refusal) -> Answer:
    """In the shape of both protocols: `message` for a manager's callers, `detail` for a live server's."""
    told = {"status": "error", "message": refusal.message, "detail": refusal.message}
    return Answer.json(told, refusal.status, refusal.headers)


@dataclass(frozen=True, slots=True)
class Api:
    pool: Pool
    catalogue: Catalogue
    began: float = field(default_factory=time.monotonic)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/health", self.health),
            Route("GET", "/status", self.status),
            Route("GET", "/avatar/list", self.list),
            Route("GET", "/avatar/info/", self.info),
            Route("POST", "/avatar/start", self.start),
            Route("POST", "/avatar/disconnect", self.disconnect),
            Route("GET", "/avatar/get_avatars", self.get_avatars),
            Route("POST", "/avatar/preview", self.preview),
            Route("POST", "/avatar/add", _always(400, NEEDS_GPU), ignores_body=True),
            Route("POST", "/avatar/delete", self.delete),
        )

    async def health(self, asked: Asked) -> Answer:
        return Answer.json({"status": "healthy", "service": "avatar-manager", **self._counts()})

    async def status(self, asked: Asked) -> Answer:
        uptime = round(time.monotonic() - self.began, 3)
        manager = {**self._counts(), "pid": os.getpid(), "uptime_seconds": uptime}
        return Answer.json({"status": "success", "data": {"manager": manager, "gpu": []}})

    async def list(self, asked: Asked) -> Answer:
        on = [_told(info) for info in self.pool.on()]
        return Answer.json({"status": "success", "count": len(on), "data": on})

    async def info(self, asked: Asked) -> Answer:
        for info in self.pool.on():
            if asked.rest in (info.avatar.name, info.avatar.instance_id):
                return Answer.json({"status": "success", "data": _told(info)})
        raise Refusal(404, "No such avatar is running")

    async def start(self, asked: Asked) -> Answer:
        body = asked.json()
        instance_id = _text(body, "avatar_id", INSTANCE_ID)
        name = _name(body)
        try:
            info = await self.pool.start(name, instance_id)
        except UnknownAvatar:
            raise Refusal(400, f"Avatar '{name}' does not exist") from None
        except Full:
            full = f"{AT_CAPACITY} (at most {self.pool.roster.limit} avatars at once)"
            raise Refusal(400, full, {"Retry-After": str(RETRY_AFTER_S)}) from None
        except StartFailed as error:
            raise Refusal(400, str(error)) from error
        return Answer.json({"status": "success", "message": f"Avatar '{name}' runs", "data": _told(info)})

    async def disconnect(self, asked: Asked) -> Answer:
        name = _name(asked.json())
        try:
            left = await self.pool.disconnect(name)
        except NotOn:
            raise Refusal(400, f"Avatar '{name}' is not running") from None
        return Answer.json({"status": "success", "message": f"Disconnected, {left} connections left"})

    async def get_avatars(self, asked: Asked) -> Answer:
        self.pool.expected()
        entries = {name: entry.told() for name, entry in self.catalogue.entries.items()}
        return Answer.json({"status": "success", "avatars": entries})

    async def preview(self, asked: Asked) -> Answer:
        name = _field(asked, "avatar_name")
        try:
            picture = await self.catalogue.picture(name)
        except NoPictures as error:
            raise Refusal(500, str(error)) from error
        if picture is None:
            raise Refusal(404, "Avatar not found")
        self.pool.expected()
        return Answer(200, picture, "image/png")

    async def delete(self, asked: Asked) -> Answer:
        if _field(asked, "name") not in self.catalogue.entries:
            raise Refusal(404, "Avatar not found")
        raise Refusal(400, STAYS)

    def _counts(self) -> dict[str, object]:
        on = self.pool.on()
        return {
            "instances": len(on),
            "max_instances": self.pool.roster.limit,
            "connections": sum(info.connections for info in on),
            "processes": len(self.pool.roster.processes),
        }


def _always(status: int, message: str) -> Callable[[Asked], Awaitable[Answer]]:
    async def answer(asked: Asked) -> Answer:
        raise Refusal(status, message)

    return answer


def _told(info: Info) -> dict[str, object]:
    return {
        "avatar_id": info.avatar.instance_id,
        "real_avatar_name": info.avatar.name,
        "port": info.port,
        "gpu": None,
        "pid": info.pid,
        "running": info.avatar.is_ready,
        "start_time": datetime.fromtimestamp(info.started_at, UTC).isoformat(),
        "uptime_seconds": round(time.time() - info.started_at, 3),
        "webrtc_url": f"http://127.0.0.1:{info.port}",
        "connections": info.connections,
    }


def _name(body: dict[str, object]) -> str:
    """The avatar meant: by its name, else by the name inside an instance id."""
    if body.get("avatar_name") in (None, ""):
        return _text(
            {"avatar_id": OF_A_USER.sub("", _text(body, "avatar_id", INSTANCE_ID))}, "avatar_id", NAME
        )
    return _text(body, "avatar_name", NAME)


def _text(body: dict[str, object], key: str, pattern: re.Pattern[str]) -> str:
    value = body.get(key)
    if value in (None, ""):
        raise Refusal(400, f"Missing '{key}'")
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refusal(400, f"Invalid '{key}'")
    return value


def _field(asked: Asked, key: str) -> str:
    fields, _ = asked.form()
    if key not in fields:
        raise Refusal(422, f"Missing '{key}'")
    return fields[key]
