"""An OpenAI-compatible model server: `python -m tests.servers.openai_chat --port 8000`."""

from collections.abc import Iterable

from typing_extensions import override

from tests.servers.http import Exchange, Received, run
from tests.servers.models import ModelServer
from tests.servers.script import Script
from tests.servers.tutor import answer


class OpenAiChatServer(ModelServer):
    """`finish` and `done`: whether a reply ends in a `finish_reason`, and in `[DONE]`."""

    def __init__(self, script: Script | None = None, port: int = 0, api_key: str | None = None) -> None:
        super().__init__(script, port)
        self.api_key = api_key
        self.models = ["small-tutor"]
        self.finish = True
        self.done = True

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return await exchange.json(401, {"error": {"message": "Incorrect API key", "code": 401}})
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                await self._chat(request, exchange)
            case "GET", "/v1/models":
                data = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.models]
                await exchange.json(200, {"object": "list", "data": data})
            case "GET", "/health":
                await exchange.json(200, {"status": "ok"})
            case _:
                await exchange.json(404, {"error": {"message": "not found", "code": 404}})

    async def _chat(self, request: Received, exchange: Exchange) -> None:
        body = request.json()
        if body.get("model") not in self.models:
            return await exchange.json(404, {"error": {"message": "no such model", "code": 404}})
        asked = [turn["content"] for turn in body["messages"] if turn["role"] == "user"][-1]
        if body.get("stream"):
            return await self.play(asked, exchange)
        message = {"role": "assistant", "content": answer(asked)}
        await exchange.json(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    @override
    def opening(self) -> Iterable[object]:
        yield self._chunk({"role": "assistant", "content": None})
        yield self._chunk({"reasoning_content": "The student wants to know something."})

    @override
    def piece(self, text: str) -> object:
        return self._chunk({"content": text})

    @override
    def closing(self) -> Iterable[object]:
        if self.finish:
            yield self._chunk({}, "stop")
            yield {"object": "chat.completion.chunk", "choices": [], "usage": {"completion_tokens": 3}}
        if self.done:
            yield b"[DONE]"

    @override
    def error(self) -> object:
        return {
            "error": {"message": "CUDA out of memory at 10.0.0.7:8000", "type": "server_error", "code": 500}
        }

    def _chunk(self, delta: dict[str, object], finish: str | None = None) -> object:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}


if __name__ == "__main__":
    run(lambda port: OpenAiChatServer(port=port))
