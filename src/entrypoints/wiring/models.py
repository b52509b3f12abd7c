"""Who answers: the model of LLM_URL, those that stand in for it, and what is made with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NewType
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
from dishka import Provider, Scope, provide, provide_all

from adapters.http.llm_service import LlmService
from adapters.http.openai_chat import OpenAiChat
from adapters.redis.wakeup import RedisWakeup
from application.admin.activate_model import ActivateModel
from application.chat.absent_model import AbsentModel
from application.chat.answer import Answer
from application.chat.context import Budget
from application.chat.summary import SummariseSession
from application.chat.title import TitleSession
from application.chat.upstreams import Upstream, Upstreams, guarded
from application.jobs.work_off import WorkOff
from application.ports.clock import Clock
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel
from application.ports.metrics import JobMetrics, ReplyMetrics
from application.ports.passages import Embedder
from application.ports.persistence import JobQueue, Reading
from domain.conversation import SessionId
from domain.job import Job, JobKind
from entrypoints.children.model_server import CONTEXT, SLOTS
from entrypoints.runtime import EMBEDDED_MODEL
from entrypoints.settings import Settings
from entrypoints.wiring.shared_state import WaitingRedis, WorkerId

EMBEDDED = "embedded"
FREE_ANSWER_TOKENS = 300  # of the embedded model: more than that is rambling

ChatJobs = NewType("ChatJobs", WorkOff)  # by themselves: a model that hangs holds up nothing else


def model_name(settings: Settings) -> str:
    """What answers, for people."""
    if not settings.llm_is_embedded:
        return settings.llm_model or "the LLM service"
    if settings.llm_model_file:
        return Path(settings.llm_model_file).stem
    return "SmolLM2-135M, the bundled model: for trying the system, not for teaching"


def model_at(
    http: httpx.AsyncClient, url: str, model: str | None, key: str | None, name: str
) -> LanguageModel:
    """The model that answers there. An OpenAI-compatible URL may bring its own key and model:
    `openai+https://:KEY@host/v1#MODEL`."""
    if not url.startswith("openai+"):
        return LlmService(http, url.rstrip("/"))
    parts = urlsplit(url.removeprefix("openai+"))
    base = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")).rstrip("/")
    key = unquote(parts.password) if parts.password else key
    return OpenAiChat(http, base, unquote(parts.fragment) or model, key, name)


def fallbacks(http: httpx.AsyncClient, metrics: ReplyMetrics, settings: Settings) -> Iterator[Upstream]:
    """Those that can be asked: the embedded model only where it runs."""
    model, key = settings.llm_model, settings.llm_api_key
    if settings.llm_is_embedded:  # then these are the embedded model's, nobody else's
        model = key = None
    for number, url in enumerate(settings.llm_fallback_urls, 1):
        name = f"llm-fallback-{number}"
        if url != EMBEDDED:
            yield guarded(name, model_at(http, url, model, key, name), metrics)
        elif settings.embedded_llm:
            address, own_key = settings.embedded_llm
            embedded = model_at(http, address, EMBEDDED_MODEL, own_key, name)
            yield guarded(name, embedded, metrics, longest=FREE_ANSWER_TOKENS)


class ModelProvider(Provider):
    scope = Scope.APP
    plain = provide_all(ActivateModel, SummariseSession, TitleSession)

    @provide
    def primary(self, http: httpx.AsyncClient, settings: Settings) -> LanguageModel:
        if settings.llm_url == EMBEDDED:
            return AbsentModel()
        return model_at(
            http, settings.llm_url, settings.llm_model, settings.llm_api_key, model_name(settings)
        )

    @provide
    def upstreams(
        self, primary: LanguageModel, http: httpx.AsyncClient, metrics: ReplyMetrics, settings: Settings
    ) -> Upstreams:
        longest = FREE_ANSWER_TOKENS if settings.llm_is_embedded else None
        first = guarded("llm", primary, metrics, longest=longest)
        others = list(fallbacks(http, metrics, settings))
        return Upstreams(others if isinstance(primary, AbsentModel) else [first, *others], metrics)

    @provide
    def budget(self, settings: Settings) -> Budget:
        return Budget(
            turns=settings.context_tokens,
            window=CONTEXT // SLOTS if settings.runs_model else None,
            answer=FREE_ANSWER_TOKENS,
        )

    @provide
    def answer(
        self,
        upstreams: Upstreams,
        knowledge: Knowledge,
        embedder: Embedder,
        reading: Reading,
        context: Budget,
        settings: Settings,
    ) -> Answer:
        return Answer(
            upstreams=upstreams,
            knowledge=knowledge,
            reading=reading,
            strict=settings.grounding == "strict",
            budget_s=settings.rag_budget_seconds,
            context=context,
            auto_title=settings.auto_title,
            embedder=embedder,
            keywords=settings.document_keywords,
        )

    @provide
    def chat_jobs(
        self,
        queue: JobQueue,
        redis: WaitingRedis,
        clock: Clock,
        worker: WorkerId,
        metrics: JobMetrics,
        title_session: TitleSession,
        summarise_session: SummariseSession,
    ) -> ChatJobs:
        bell = RedisWakeup(redis, "jobs:bell:chat")  # whoever hears the other one is expected to do any job

        async def title(job: Job) -> None:
            await title_session(SessionId(job.number("session")))

        async def summarise(job: Job) -> None:
            await summarise_session(SessionId(job.number("session")))

        doing = {JobKind.TITLE_SESSION: title, JobKind.SUMMARISE_SESSION: summarise}
        jobs = WorkOff(queue=queue, wakeup=bell, clock=clock, doing=doing, worker=worker, metrics=metrics)
        return ChatJobs(jobs)
