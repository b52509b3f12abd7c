from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import httpx
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, translated
from adapters.http.replies import reply
from application.ports.language_model import (
    LanguageModel,
    Model,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    Prompt,
)
from domain.text import storable

CHECK_S = 2.0


class _Event(Struct):
    chunk: str | None = None
    status: str = "streaming"
    error: object = None


class _Health(Struct):
    status: str


@dataclass(frozen=True, slots=True)
class LlmService(LanguageModel):
    """The LLM service protocol: it keeps the conversation itself, under the prompt's memory key."""

    client: httpx.AsyncClient
    base_url: str
    idle_s: float = 120.0
    total_s: float = 600.0
    name: str = "LLM service"

    @override
    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        async def ask() -> httpx.Request:
            return self.client.build_request(
                "POST",
                self._url("/chat/stream"),
                json={"user_id": prompt.user, "session_id": prompt.memory, "input": storable(prompt.input)},
                timeout=patience(self.client, self.idle_s),
            )

        return reply(self.client, ask, _read, idle_s=self.idle_s, total_s=self.total_s)

    @override
    async def check(self) -> None:
        request = self.client.build_request("GET", self._url("/health"))
        with translated(unreachable=ModelUnreachable, timeout=ModelTimeout, failed=ModelFailed):
            status, body = await whole(self.client, request, within_s=CHECK_S)
            if status != 200 or decoded(body, _Health).status not in ("healthy", "ok"):
                raise BadAnswer(f"health {status}")

    @override
    async def models(self) -> Sequence[Model]:
        await self.check()
        return []  # the protocol has no list

    def _url(self, path: str) -> str:
        return self.base_url.rstrip("/") + path


def _read(data: bytes) -> tuple[str | None, bool]:
    event = decoded(data, _Event)
    if event.status == "error" or event.error:
        raise BadAnswer("error event")
    ended = event.status == "finished"
    return (event.chunk if ended or event.status == "streaming" else None), ended
