import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import BUSY, require_plain
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, Busy, translated
from adapters.http.retry_after import asked_to_wait
from adapters.loopback import SECRET_HEADER
from application.ports.avatar_pool import (
    AvatarPool,
    PoolBusy,
    PoolFailed,
    PoolRefused,
    PoolTimeout,
    PoolUnreachable,
)
from domain.avatar import AvatarName, Instance, InvalidAvatarName, avatar_name, instance_id
from domain.errors import DomainError
from domain.user import UserId

ANSWER_MAX = 1024 * 1024
CHECK_S = 2.0
LOOK_S = 2.0  # of one who only compares managers
FULL = ("已达到最大限制", "无可用端口")  # in its language: the limit is reached; no port is free
STARTS = 64  # at one manager at a time, which makes them one after another


class _Said(Struct):
    status: str = ""
    message: object = None
    data: object = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: int | None
    said: _Said


@dataclass(frozen=True, slots=True)
class AvatarManagers(AvatarPool):
    """The Avatar Manager protocol, spoken to one manager or several.

    Instances run on `host`, or where none is given on their manager's, and on ports from `base_port` up.
    `secret` opens the one that we run ourselves; no other is told it.
    """

    client: httpx.AsyncClient
    managers: Sequence[str]
    host: str | None = None
    base_port: int = 1
    secret: str | None = field(default=None, repr=False)
    start_s: float = 60.0
    disconnect_s: float = 5.0
    list_s: float = 10.0
    _lines: Mapping[str, asyncio.Semaphore] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lines = {manager: asyncio.Semaphore(STARTS) for manager in self.managers}
        object.__setattr__(self, "_lines", lines)

    @override
    async def order(self, avatar: AvatarName) -> Sequence[str]:
        if len(self.managers) == 1:  # nothing to choose from
            return self.managers
        loads = await asyncio.gather(*(self._load(manager, avatar) for manager in self.managers))
        return [manager for _, manager in sorted(zip(loads, self.managers, strict=True), key=_by_load)]

    @override
    async def start(self, manager: str, user: UserId, avatar: AvatarName) -> Instance:
        wish = {"avatar_id": instance_id(user, avatar), "avatar_name": avatar}
        line = self._lines.get(manager)
        if line is None:
            raise PoolUnreachable  # it was one of ours before the settings changed
        if line.locked():
            raise PoolBusy
        with _translated(busy=PoolBusy):
            async with line:
                answer = await self._ask(manager, "POST", "/avatar/start", wish, self.start_s)
            _require_capacity(answer)
            if answer.status >= 500:
                raise BadAnswer(f"start {answer.status}")
            if answer.status != 200 or answer.said.status != "success":
                raise PoolRefused
            found = self._instance(manager, answer.said.data, avatar)
            if found is None or not found.running:
                raise BadAnswer("no instance")
        return found

    @override
    async def disconnect(self, manager: str, avatar: AvatarName) -> None:
        with _translated():
            answer = await self._ask(
                manager, "POST", "/avatar/disconnect", {"avatar_name": avatar}, self.disconnect_s
            )
            if answer.status >= 500 or (answer.status == 200 and answer.said.status != "success"):
                raise BadAnswer(f"disconnect {answer.status}")  # a 400 says that there is nothing to end

    @override
    async def running(self, manager: str) -> Sequence[Instance]:
        with _translated():
            answer = await self._ask(manager, "GET", "/avatar/list", None, self.list_s)
            listed = answer.said.data
            if answer.status != 200 or answer.said.status != "success" or not isinstance(listed, list):
                raise BadAnswer(f"list {answer.status}")
            found = [self._instance(manager, info) for info in listed]
            if listed and not any(found):
                raise BadAnswer("no instance makes sense")
        return [instance for instance in found if instance]

    @override
    async def check(self, manager: str) -> None:
        with _translated():
            answer = await self._ask(manager, "GET", "/health", None, CHECK_S)
            if answer.status != 200 or answer.said.status not in ("healthy", "ok"):
                raise BadAnswer(f"health {answer.status}")

    async def _load(self, manager: str, avatar: AvatarName) -> tuple[bool, bool, int]:
        """The lower, the better it is placed there."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await self.running(manager)
        except (PoolUnreachable, PoolTimeout, PoolFailed, TimeoutError):
            return True, True, 0
        return False, not any(one.avatar == avatar for one in found), len(found)

    async def _ask(
        self, manager: str, method: str, path: str, body: Mapping[str, str] | None, within_s: float
    ) -> _Answer:
        if manager not in self._lines:
            raise PoolUnreachable
        request = self.client.build_request(
            method,
            manager.rstrip("/") + path,
            json=body,
            headers={SECRET_HEADER: self.secret} if self.secret else None,
            timeout=patience(self.client, within_s),
        )
        async with asyncio.timeout(within_s):
            response = await self.client.send(request, stream=True)
            try:
                require_plain(response)
                received = bytearray()
                async for piece in response.aiter_raw():
                    received += piece
                    if len(received) > ANSWER_MAX:
                        raise BadAnswer("oversized answer")
            finally:
                await response.aclose()
        wait = asked_to_wait(response.headers.get("retry-after"), datetime.now(UTC))
        status = response.status_code
        if status in BUSY:  # whoever says so: it did not get to the manager, or the manager is full
            raise Busy(wait)
        return _Answer(status, wait, decoded(bytes(received), _Said))

    def _instance(self, manager: str, info: object, started: AvatarName | None = None) -> Instance | None:
        """None for what makes no sense, and for a port that no instance of this manager has."""
        if not isinstance(info, dict):
            return None
        avatar = started or _name(info)
        running = info.get("running") is not False
        port = _whole(info.get("port"), 65535)
        if avatar is None or (running and (port is None or port < self.base_port)):
            return None
        start_time = info.get("start_time")
        return Instance(
            manager=manager,
            avatar=avatar,
            host=self.host or urlsplit(manager).hostname or "",
            port=port or 0,
            pid=_whole(info.get("pid"), 2**31),
            start_time=str(start_time)[:64] if isinstance(start_time, str | int | float) else None,
            gpu=_whole(info.get("gpu"), 10_000),
            connections=_whole(info.get("connections"), 10**9),
            running=running,
        )


@contextmanager
def _translated(busy: Callable[[int | None], DomainError] | None = None) -> Iterator[None]:
    """Who is too busy has done nothing of what he was asked."""
    with translated(unreachable=PoolUnreachable, timeout=PoolTimeout, failed=PoolFailed):
        try:
            yield
        except Busy as error:
            raise (busy(error.retry_after) if busy else PoolUnreachable()) from error


def _by_load(placed: tuple[tuple[bool, bool, int], str]) -> tuple[bool, bool, int]:
    return placed[0]


def _require_capacity(answer: _Answer) -> None:
    message = answer.said.message
    if isinstance(message, str) and answer.said.status != "success" and any(word in message for word in FULL):
        raise Busy(answer.retry_after)


def _name(info: Mapping[str, object]) -> AvatarName | None:
    """Whose process it is; an instance id begins with that name, whichever user it may be of."""
    value = info.get("real_avatar_name") or str(info.get("avatar_id", "")).rpartition("_user_")[0]
    try:
        return avatar_name(value) if isinstance(value, str) else None
    except InvalidAvatarName:
        return None


def _whole(value: object, most: int) -> int | None:
    """A number from 0 to `most`, or its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None
