from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import msgspec
from msgspec import Struct
from typing_extensions import override

from adapters.http.answers import BUSY, whole
from adapters.http.client import patience
from adapters.http.decoding import decoded
from adapters.http.errors import BadAnswer, Busy
from adapters.http.replies import model_errors, reply
from application.ports.language_model import (
    ActivationUnsupported,
    LanguageModel,
    Model,
    Prompt,
)
from domain.text import storable

CHECK_S = 2.0


class _Delta(Struct):
    content: object = None  # text; some reasoning models put other things here, which are not the answer


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    error: object = None
    kind: str | None = msgspec.field(default=None, name="object")


class _Model(Struct):
    id: str
    owned_by: object = None
    created: object = None


class _Models(Struct):
    data: list[_Model]


@dataclass(slots=True)
class OpenAiChat(LanguageModel):
    """Any server of OpenAI's chat completions: llama.cpp, vLLM, Ollama … `base_url` ends in `/v1`.

    Without a `model` the first one that the server lists is asked.
    """

    client: httpx.AsyncClient
    base_url: str
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    name: str = "OpenAI-compatible model"
    idle_s: float = 120.0
    total_s: float = 600.0
    remembers: bool = field(default=False, init=False)
    _first: str | None = field(default=None, init=False, repr=False)

    @override
    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        async def ask() -> httpx.Request:
            model = self.model or self._first or await self._first_listed()
            body: dict[str, object] = {"model": model, "stream": True, "messages": _turns(prompt)}
            if prompt.temperature is not None:
                body["temperature"] = prompt.temperature
            if prompt.max_tokens is not None:
                body["max_tokens"] = prompt.max_tokens
            return self._request("POST", "/chat/completions", body)

        return reply(self.client, ask, _read, idle_s=self.idle_s, total_s=self.total_s)

    @override
    async def check(self) -> None:
        with model_errors():
            await self._first_listed()  # asked again each time: the server may have changed its model

    @override
    async def models(self) -> Sequence[Model]:
        with model_errors():
            listed = await self._listed()
        asked = self.model or (listed[0].id if listed else "")
        return [
            Model(
                storable(one.id),
                storable(one.owned_by) if isinstance(one.owned_by, str) else "",
                _moment(one.created),
                active=one.id in (asked, f"{asked}:latest"),  # some servers add that to a bare name
            )
            for one in listed
        ]

    @override
    async def activate(self, model: str) -> str | None:
        raise ActivationUnsupported

    async def _first_listed(self) -> str:
        models = await self._listed()
        if not models:
            raise BadAnswer("no model")
        self._first = models[0].id
        return self._first

    async def _listed(self) -> list[_Model]:
        status, body = await whole(self.client, self._request("GET", "/models"), within_s=CHECK_S)
        if status in BUSY:
            raise Busy
        if status != 200:
            raise BadAnswer(f"models {status}")
        return decoded(body, _Models).data

    def _request(self, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Request:
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else None
        url, timeout = self.base_url.rstrip("/") + path, patience(self.client, self.idle_s)
        return self.client.build_request(method, url, json=body, headers=headers, timeout=timeout)


def _moment(created: object) -> datetime | None:
    """What they call `created`: seconds since 1970, if it is that."""
    if not isinstance(created, int) or isinstance(created, bool) or not 0 < created < 2**32:
        return None
    return datetime.fromtimestamp(created, UTC)


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    said = [(turn.speaker.value, turn.text) for turn in prompt.turns]
    turns = [("system", prompt.system), *said, ("user", prompt.input)]
    return [{"role": role, "content": storable(text)} for role, text in turns if text]


def _read(data: bytes) -> tuple[str | None, bool]:
    if data.strip() == b"[DONE]":
        return None, True
    chunk = decoded(data, _Chunk)
    if chunk.error or chunk.kind == "error":
        raise BadAnswer("error event")
    if not chunk.choices:
        return None, False  # figures about the reply
    choice = chunk.choices[0]
    if choice.finish_reason == "error":
        raise BadAnswer("reply failed")
    content = choice.delta.content if choice.delta else None
    return (content if isinstance(content, str) else None), choice.finish_reason is not None
