"""An LLM service: `python -m tests.servers.llm_service --port 8100`."""

from collections.abc import Iterable
from datetime import UTC, datetime

from typing_extensions import override

from tests.servers.http import Exchange, Received, run
from tests.servers.models import ModelServer
from tests.servers.script import Script

REQUIRED = {"user_id": int, "session_id": int, "input": str}


class LlmServiceServer(ModelServer):
    """Keeps the conversation of each `session_id`, as the real one does: `memories`. It can load what is in
    `installed`; with None it is the variant that knows nothing of loading models."""

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        super().__init__(script, port)
        self.memories: dict[int, list[str]] = {}
        self.model = "small"
        self.installed: list[str] | None = ["small", "large:8b"]

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        match request.method, request.path:
            case "POST", "/chat/stream":
                await self._chat(request, exchange)
            case "GET", "/health":
                await exchange.json(200, {"status": "healthy", "service": "llm", "model": self.model})
            case "POST", "/activate_model" if self.installed is not None:
                await self._activate(request.json().get("model"), exchange)
            case _:
                await exchange.page(404, "Not Found")

    async def _chat(self, request: Received, exchange: Exchange) -> None:
        body = request.json()
        for field, kind in REQUIRED.items():
            if not isinstance(body.get(field), kind):
                return await exchange.json(400, {"error": f"Missing required field: {field}"})
        self.memories.setdefault(body["session_id"], []).append(body["input"])
        await self.play(body["input"], exchange)

    async def _activate(self, model: object, exchange: Exchange) -> None:
        if not model:
            return await exchange.json(400, {"error": "Missing 'model' in JSON payload"})
        if model not in (self.installed or ()):
            return await exchange.json(400, {"error": f"Model '{model}' not found"})
        self.model = str(model)
        await exchange.json(200, {"message": f"Model {self.model} activated"})

    @override
    def piece(self, text: str) -> object:
        return {"chunk": text, "status": "streaming", "timestamp": datetime.now(UTC).isoformat()}

    @override
    def closing(self) -> Iterable[object]:
        yield {"status": "finished", "total_time": 1.5, "ttft": 0.2}

    @override
    def error(self) -> object:
        return {"status": "error", "error": "CUDA out of memory at 10.0.0.7:8100"}


if __name__ == "__main__":
    run(lambda port: LlmServiceServer(port=port))
