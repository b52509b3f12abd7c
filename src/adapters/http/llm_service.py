from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import BUSY, whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, Busy, translated
from adapters.http.replies import model_errors, reply
from application.ports.language_model import (
    ActivationFailed,
    ActivationTimeout,
    ActivationUnreachable,
    ActivationUnsupported,
    LanguageModel,
    Model,
    Prompt,
    UnknownModel,
)
from domain.text import storable

CHECK_S = 2.0
DETAIL_MAX = 300


class _Event(Struct):
    chunk: str | None = None
    status: str = "streaming"
    error: object = None


class _Health(Struct):
    status: str


class _Activated(Struct):
    message: str | None = None


class _Refused(Struct):
    error: str = ""


@dataclass(slots=True)
class LlmService(LanguageModel):
    """The LLM service protocol: it keeps the conversation itself, under the prompt's memory key.

    It has no list of models; what was activated here is the only one we know.
    """

    client: httpx.AsyncClient
    base_url: str
    idle_s: float = 120.0
    total_s: float = 600.0
    name: str = "LLM service"
    activation_s: float = 120.0
    remembers: bool = field(default=True, init=False)
    _active: str | None = field(default=None, init=False, repr=False)

    @override
    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        async def ask() -> httpx.Request:
            told = prompt.input if prompt.retold is None else prompt.retold
            return self.client.build_request(
                "POST",
                self._url("/chat/stream"),
                json={"user_id": prompt.user, "session_id": prompt.memory, "input": storable(told)},
                timeout=patience(self.client, self.idle_s),
            )

        return reply(self.client, ask, _read, idle_s=self.idle_s, total_s=self.total_s)

    @override
    async def check(self) -> None:
        request = self.client.build_request("GET", self._url("/health"))
        with model_errors():
            status, body = await whole(self.client, request, within_s=CHECK_S)
            if status in BUSY:
                raise Busy
            if status != 200 or decoded(body, _Health).status not in ("healthy", "ok"):
                raise BadAnswer(f"health {status}")

    @override
    async def models(self) -> Sequence[Model]:
        await self.check()
        return [Model(self._active, active=True)] if self._active else []

    @override
    async def activate(self, model: str) -> str | None:
        request = self.client.build_request(
            "POST",
            self._url("/activate_model"),
            json={"model": model},
            timeout=patience(self.client, self.activation_s),
        )
        with translated(
            unreachable=ActivationUnreachable, timeout=ActivationTimeout, failed=ActivationFailed
        ):
            status, body = await whole(self.client, request, within_s=self.activation_s)
            if status == 400:
                raise UnknownModel(_reason(body))
            if status in (404, 405):
                raise ActivationUnsupported
            if status != 200:
                raise ActivationFailed("Model activation failed")
            said = decoded(body, _Activated).message
        self._active = model
        return storable(said) if said else None

    def _url(self, path: str) -> str:
        return self.base_url.rstrip("/") + path


def _reason(body: bytes) -> str:
    try:
        return storable(decoded(body, _Refused).error)[:DETAIL_MAX]
    except BadAnswer:
        return ""


def _read(data: bytes) -> tuple[str | None, bool]:
    event = decoded(data, _Event)
    if event.status == "error" or event.error:
        raise BadAnswer("error event")
    ended = event.status == "finished"
    return (event.chunk if ended or event.status == "streaming" else None), ended
