"""Everybody outside: models, documents, mail, and the machine's own clock, keys and processes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
from dishka import Provider, Scope, provide
from redis.asyncio import Redis

from adapters.argon2.hasher import Argon2Hasher, share_of
from adapters.clock import SystemClock
from adapters.extraction.extractor import ProcessExtractor
from adapters.http.client import http_client
from adapters.http.llm_service import LlmService
from adapters.http.openai_chat import OpenAiChat
from adapters.http.rag_service import RagService
from adapters.jwt.tokens import JwtTokens
from adapters.onnx.embedder import MiniLmEmbedder
from adapters.redis.mail import RedisMailbox
from adapters.smtp.mailer import SmtpMailer
from application.chat.absent_model import AbsentModel
from application.documents.own_index import OwnIndex
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.extraction import Extractor
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel
from application.ports.mail import Mailer
from application.ports.passages import Embedder, Passages
from entrypoints.settings import Settings

EMBEDDED = "embedded"


def model_name(settings: Settings) -> str:
    """What answers, for people."""
    if not settings.llm_is_embedded:
        return settings.llm_model or "the LLM service"
    if settings.llm_model_file:
        return Path(settings.llm_model_file).stem
    return "SmolLM2-135M, the bundled model: for trying the system, not for teaching"


class GatewayProvider(Provider):
    scope = Scope.APP
    clock = provide(SystemClock, provides=Clock)

    @provide
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        async with http_client() as client:
            yield client

    @provide
    def language_model(self, http: httpx.AsyncClient, settings: Settings) -> LanguageModel:
        url = settings.llm_url
        if url == EMBEDDED:
            return AbsentModel()
        if url.startswith("openai+"):
            base = url.removeprefix("openai+").rstrip("/")
            return OpenAiChat(http, base, settings.llm_model, settings.llm_api_key, model_name(settings))
        return LlmService(http, url.rstrip("/"))

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
        if settings.rag_url == EMBEDDED:
            return OwnIndex(passages, embedder, extractor, blobs)
        return RagService(http, settings.rag_url.rstrip("/"), blobs, settings.rag_budget_seconds)

    @provide
    def embedder(self, settings: Settings) -> Iterator[Embedder]:
        embedder = MiniLmEmbedder(settings.data_dir / "run")
        yield embedder
        embedder.close()

    @provide
    def extractor(self, settings: Settings) -> Extractor:
        return ProcessExtractor(
            max_pages=settings.max_document_pages,
            max_archive_ratio=settings.max_archive_ratio,
            max_archive_mb=settings.max_archive_mb,
        )

    @provide
    async def hasher(self, settings: Settings) -> AsyncIterator[PasswordHasher]:
        hasher = Argon2Hasher(share_of(settings.workers))
        yield hasher
        hasher.close()

    @provide
    def tokens(self, settings: Settings) -> Tokens:
        return JwtTokens(settings.jwt_secret_key, settings.jwt_secret_key_previous)

    @provide
    def mailer(self, redis: Redis, settings: Settings) -> Mailer:
        if settings.mail_server is None:
            return RedisMailbox(redis)
        return SmtpMailer(
            host=settings.mail_server,
            port=settings.mail_port,
            use_tls=settings.mail_use_tls,
            use_ssl=settings.mail_use_ssl,
            username=settings.mail_username,
            password=settings.mail_password,
            default_sender=settings.mail_default_sender or "",
        )
