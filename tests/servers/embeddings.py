"""A server of OpenAI's embeddings whose model knows words only: `python -m tests.servers.embeddings`."""

from struct import unpack

from typing_extensions import override

from tests.fakes.embedder import FakeEmbedder
from tests.servers.http import Exchange, HttpServer, Received, run

MODEL = "words"


class EmbeddingsServer(HttpServer):
    """`narrow`: all its vectors point into nearly the same direction, as those of some models do."""

    def __init__(self, port: int = 0, api_key: str | None = None, narrow: float = 0.0) -> None:
        super().__init__(port)
        self.api_key = api_key
        self.narrow = narrow

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return await exchange.json(401, {"error": {"message": "Incorrect API key", "code": 401}})
        if (request.method, request.path) != ("POST", "/v1/embeddings"):
            return await exchange.json(404, {"error": {"message": "not found", "code": 404}})
        body = request.json()
        if body.get("model") != MODEL or not all(isinstance(text, str) and text for text in body["input"]):
            return await exchange.json(400, {"error": {"message": "bad request", "code": 400}})
        vectors = await FakeEmbedder().embed(body["input"])
        data = [
            {"object": "embedding", "index": n, "embedding": self._values(vector)}
            for n, vector in enumerate(vectors)
        ]
        await exchange.json(200, {"object": "list", "model": MODEL, "data": data[::-1]})

    def _values(self, vector: bytes) -> list[float]:
        values = unpack(f"<{len(vector) // 4}f", vector)
        return [self.narrow, *(3.0 * value for value in values)]  # of any length


if __name__ == "__main__":
    run(lambda port: EmbeddingsServer(port=port))
