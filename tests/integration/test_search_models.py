"""Other models for the search: after a change everything is indexed again, and a reranker decides."""

from pathlib import Path

from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, a_house
from tests.integration.waiting import until
from tests.servers.embeddings import MODEL, EmbeddingsServer
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.reranking import RerankServer

EMAIL = "ann@example.org"
QUESTION = "According to the document, how many litres does a fish tank hold?"


async def models(house: House) -> set[str]:
    return {model for (model,) in await house.sql("SELECT DISTINCT model FROM passage")}


async def test_a_change_of_model_indexes_everything_again(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    servers = {"REDIS_URL": valkey.url, "LLM_URL": llm.url}
    tank, pond = tmp_path / "tank.txt", tmp_path / "pond.txt"
    tank.write_text("The fish tank holds ninety litres of water.\n")
    pond.write_text("The pond is deep and green.\n")
    async with a_house(tmp_path / "data", **servers) as house:
        ann = await house.user(EMAIL)
        for file in (tank, pond):
            uploaded = await ann.upload(file)
            assert uploaded.status_code == 200, uploaded.text
        assert await models(house) == {"all-minilm-l6-v2-int8"}
        told = await house.sql("SELECT id FROM notification")

    async with EmbeddingsServer(api_key="sk", narrow=2.0) as embeddings, RerankServer() as reranker:
        settings = servers | {
            "EMBEDDING_MODEL": f"{embeddings.url}/v1#{MODEL}",
            "EMBEDDING_API_KEY": "sk",
            "RERANK_URL": f"{reranker.url}/rerank",
        }
        async with a_house(tmp_path / "data", **settings) as house:
            ann = await house.login(EMAIL)

            async def renewed() -> bool:
                return await models(house) == {MODEL}

            await until(renewed, 30)
            assert await house.sql("SELECT id FROM notification") == told  # nobody asked for it
            assert (await ann.ask(QUESTION)).sources[0]["filename"] == "tank.txt"
            assert reranker.asked("/rerank")[-1].json()["texts"]

            embeddings.faults["*"] = reranker.faults["*"] = Fault(reset=True)
            by_words = (await ann.ask(QUESTION)).sources
            assert [source["filename"] for source in by_words] == ["tank.txt"]
            assert by_words[0]["score"] is None
