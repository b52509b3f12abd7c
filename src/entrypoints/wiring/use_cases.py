"""The menu, with its settings."""

from datetime import timedelta
from typing import Any

from dishka import Provider, Scope, provide, provide_all
from litestar import Request

from adapters.common_passwords import common_passwords
from adapters.redis.health import RedisProbe
from adapters.sql.health import DatabaseProbe
from application.accounts.authenticate import Authenticate, Caller
from application.accounts.deliver_mail import DeliverMail
from application.accounts.login import Login
from application.accounts.logout import Logout
from application.accounts.register import Register, TutorSignup
from application.accounts.send_verification import SendVerification
from application.accounts.token_life import TokenLife
from application.chat.absent_model import AbsentModel
from application.chat.answer import Answer
from application.chat.ask import Ask
from application.chat.engine import Replies
from application.chat.open_session import OpenSession
from application.chat.settle import SettleAbandoned, SettleReply
from application.documents.index_document import IndexDocument
from application.documents.upload_file import UploadFile
from application.health import CheckHealth, UpstreamProbe
from application.jobs.work_off import WorkOff
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.extraction import Extractor
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel
from application.ports.login_sessions import LoginSessions
from application.ports.mail import Mailer, Outbox
from application.ports.passages import Embedder
from application.ports.persistence import JobQueue, Reading, WorkFactory
from application.ports.replies import ReplyLogs, Runs
from application.ports.throttle import Throttle
from application.ports.wakeup import Wakeup
from domain.document import FileId, FileKind
from domain.job import JobKind
from entrypoints.http.client_address import ClientAddress
from entrypoints.http.controllers.pages import House
from entrypoints.http.event_stream import StreamTimes
from entrypoints.settings import Settings
from entrypoints.wiring.shared_state import WorkerId

FREE_ANSWER_TOKENS = 300  # of the bundled model: more than that is rambling


class UseCaseProvider(Provider):
    """Use cases are frozen and hold no connection, so one of each serves the whole process."""

    scope = Scope.APP
    plain = provide_all(Authenticate, Logout, OpenSession, SettleReply, SettleAbandoned, IndexDocument)

    @provide
    def deliver_mail(self, outbox: Outbox, mailer: Mailer) -> DeliverMail:
        return DeliverMail(outbox=outbox, mailer=mailer)

    @provide
    def send_verification(
        self,
        work: WorkFactory,
        codes: Codes,
        outbox: Outbox,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> SendVerification:
        return SendVerification(
            work=work,
            codes=codes,
            outbox=outbox,
            throttle=throttle,
            clock=clock,
            hide_existing=settings.signup_hide_existing,
        )

    @provide
    def register(
        self,
        work: WorkFactory,
        codes: Codes,
        hasher: PasswordHasher,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> Register:
        return Register(
            work=work,
            codes=codes,
            hasher=hasher,
            throttle=throttle,
            clock=clock,
            common_passwords=common_passwords(),
            tutor_signup=TutorSignup(settings.tutor_signup),
            hide_existing=settings.signup_hide_existing,
        )

    @provide
    def login(
        self,
        work: WorkFactory,
        hasher: PasswordHasher,
        tokens: Tokens,
        sessions: LoginSessions,
        throttle: Throttle,
        clock: Clock,
        life: TokenLife,
        settings: Settings,
    ) -> Login:
        return Login(
            work=work,
            hasher=hasher,
            tokens=tokens,
            sessions=sessions,
            throttle=throttle,
            clock=clock,
            life=life,
            single_session=settings.single_session,
        )

    @provide
    def life(self, settings: Settings) -> TokenLife:
        return TokenLife(
            timedelta(seconds=settings.jwt_access_token_expires),
            timedelta(seconds=settings.session_max_seconds),
        )

    @provide
    def answer(
        self,
        model: LanguageModel,
        knowledge: Knowledge,
        embedder: Embedder,
        reading: Reading,
        settings: Settings,
    ) -> Answer:
        return Answer(
            model=model,
            knowledge=knowledge,
            reading=reading,
            strict=settings.grounding == "strict",
            budget_s=settings.rag_budget_seconds,
            writes=not isinstance(model, AbsentModel),
            embedder=embedder,
            keywords=settings.document_keywords,
            max_tokens=FREE_ANSWER_TOKENS if settings.llm_is_embedded else None,
        )

    @provide
    def replies(
        self, answer: Answer, work: WorkFactory, runs: Runs, logs: ReplyLogs, clock: Clock
    ) -> Replies:
        return Replies(answer, work, runs, logs, clock)

    @provide
    def ask(
        self,
        work: WorkFactory,
        runs: Runs,
        replies: Replies,
        settle: SettleReply,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> Ask:
        return Ask(
            work=work,
            runs=runs,
            replies=replies,
            settle=settle,
            throttle=throttle,
            clock=clock,
            max_chars=settings.chat_message_max_chars,
            per_minute=settings.chat_rate_per_minute,
        )

    @provide
    def upload_file(
        self,
        work: WorkFactory,
        reading: Reading,
        blobs: Blobs,
        extractor: Extractor,
        wakeup: Wakeup,
        clock: Clock,
        settings: Settings,
    ) -> UploadFile:
        return UploadFile(
            work=work,
            reading=reading,
            blobs=blobs,
            extractor=extractor,
            wakeup=wakeup,
            clock=clock,
            max_mb={
                FileKind.DOCUMENT: settings.max_document_mb,
                FileKind.IMAGE: settings.max_image_mb,
                FileKind.AUDIO: settings.max_audio_mb,
            },
            index_wait_s=settings.rag_index_wait_seconds,
        )

    @provide
    def work_off(
        self,
        queue: JobQueue,
        wakeup: Wakeup,
        clock: Clock,
        worker: WorkerId,
        index_document: IndexDocument,
    ) -> WorkOff:
        async def index(payload: dict[str, Any], last_try: bool) -> None:
            await index_document(FileId(int(payload["file_id"])), last_try=last_try)

        async def give_up_index(payload: dict[str, Any]) -> None:
            await index_document.give_up(FileId(int(payload["file_id"])))

        return WorkOff(
            queue=queue,
            wakeup=wakeup,
            clock=clock,
            doing={JobKind.INDEX_DOCUMENT: index},
            giving_up={JobKind.INDEX_DOCUMENT: give_up_index},
            worker=worker,
        )

    @provide
    def check_health(
        self, database: DatabaseProbe, redis: RedisProbe, model: LanguageModel, knowledge: Knowledge
    ) -> CheckHealth:
        upstreams = [UpstreamProbe("llm", model.check), UpstreamProbe("rag", knowledge.check)]
        return CheckHealth([database, redis, *upstreams])


class HttpProvider(Provider):
    """What only the web server needs."""

    scope = Scope.APP

    @provide
    def times(self, settings: Settings) -> StreamTimes:
        return StreamTimes(settings.stream_hold_seconds, settings.stream_heartbeat_seconds)

    @provide
    def client_address(self, settings: Settings) -> ClientAddress:
        return ClientAddress(settings.trusted_proxies)

    @provide
    def house(self, settings: Settings, model: LanguageModel) -> House:
        return House(settings.static_dir, model.name, settings.has_mailbox)

    @provide(scope=Scope.REQUEST)
    def caller(self, request: Request) -> Caller:  # type: ignore[type-arg]  # dishka matches the bare type
        caller: Caller = request.state.caller  # the guard has put him there
        return caller
