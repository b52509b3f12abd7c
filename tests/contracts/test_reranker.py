"""What every Reranker promises, asked of the fake and of the adapter against both protocols."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from adapters.http.reranking import RerankService
from application.ports.reranking import Reranker, RerankerUnavailable
from tests.fakes.reranking import FakeReranker
from tests.servers.http import Fault
from tests.servers.reranking import MODEL, RerankServer
from tests.transports import TRANSPORTS, client_over

QUESTION = "What colour are leaves?"
TEXTS = ["Rivers flow.", "The colour of leaves is green.", "Leaves fall."]


@dataclass
class Subject:
    reranker: Reranker
    go_away: Callable[[], None]


@asynccontextmanager
async def faked() -> AsyncIterator[Subject]:
    reranker = FakeReranker()

    def go_away() -> None:
        reranker.away = True

    yield Subject(reranker, go_away)


@asynccontextmanager
async def served(transport: str, path: str, model: str | None) -> AsyncIterator[Subject]:
    async with RerankServer(api_key="k") as server, client_over(transport) as client:

        def go_away() -> None:
            server.faults["*"] = Fault(reset=True)

        yield Subject(RerankService(client, server.url + path, model, "k", 30.0), go_away)


SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    "faked": faked,
    **{f"tei-{over}": partial(served, over, "/rerank", None) for over in TRANSPORTS},
    **{f"cohere-{over}": partial(served, over, "/v1/rerank", MODEL) for over in TRANSPORTS},
}


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param]() as made:
        yield made


async def test_each_text_gets_its_score_in_order(subject: Subject) -> None:
    river, green, fall = await subject.reranker.scores(QUESTION, TEXTS)
    assert green > fall > river


async def test_any_text_can_be_judged(subject: Subject) -> None:
    odd = ["", "\x00", "\ud800 lone", "🎓", "叶子是绿色的", '"quoted"\n']
    assert len(await subject.reranker.scores("\x00?", odd)) == len(odd)


async def test_away_is_unavailable(subject: Subject) -> None:
    subject.go_away()
    with pytest.raises(RerankerUnavailable):
        await subject.reranker.scores(QUESTION, TEXTS)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"results": []}',
        json.dumps([{"index": n, "score": 0.1} for n in (0, 1, 1)]).encode(),
        json.dumps([{"index": n, "score": 0.1} for n in (0, 1, 7)]).encode(),
        json.dumps([{"index": n} for n in range(3)]).encode(),
        b'[{"index":0,"score":NaN},{"index":1,"score":1},{"index":2,"score":1}]',
        b'[{"index":0,"score":"high"},{"index":1,"score":1},{"index":2,"score":1}]',
    ],
)
@pytest.mark.parametrize("model", [None, MODEL])
async def test_nonsense_is_unavailable(answer: bytes, model: str | None) -> None:
    async with RerankServer() as server, client_over("lean") as client:
        server.faults["*"] = Fault(status=200, body=answer)
        with pytest.raises(RerankerUnavailable):
            await RerankService(client, f"{server.url}/rerank", model, budget_s=30.0).scores(QUESTION, TEXTS)


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=413), Fault(hang=True)])
async def test_a_refusal_and_a_late_answer_are_unavailable(fault: Fault) -> None:
    async with RerankServer() as server, client_over("lean") as client:
        server.faults["*"] = fault
        with pytest.raises(RerankerUnavailable):
            await RerankService(client, f"{server.url}/rerank", budget_s=0.1).scores(QUESTION, TEXTS)
