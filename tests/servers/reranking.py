"""A reranking server, at `/rerank` as TEI speaks and at `/v1/rerank` as Cohere does."""

from collections.abc import Sequence

from typing_extensions import override

from tests.fakes.reranking import FakeReranker
from tests.servers.http import Exchange, HttpServer, Received, run

MODEL = "judge"


class RerankServer(HttpServer):
    def __init__(self, port: int = 0, api_key: str | None = None) -> None:
        super().__init__(port)
        self.api_key = api_key

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return await exchange.json(401, {"message": "invalid api token"})
        body = request.json()
        match request.method, request.path:
            case "POST", "/rerank":
                best = await _ranked(body["query"], body["texts"])
                await exchange.json(200, [{"index": n, "score": score} for score, n in best])
            case "POST", "/v1/rerank" if body["model"] == MODEL:
                best = await _ranked(body["query"], body["documents"])
                results = [{"index": n, "relevance_score": score} for score, n in best[: body["top_n"]]]
                await exchange.json(200, {"id": "1", "results": results})
            case _:
                await exchange.json(404, {"message": "not found"})


async def _ranked(question: str, texts: Sequence[str]) -> list[tuple[float, int]]:
    scores = await FakeReranker().scores(question, texts)
    return sorted(((score, n) for n, score in enumerate(scores)), reverse=True)


if __name__ == "__main__":
    run(lambda port: RerankServer(port=port))
