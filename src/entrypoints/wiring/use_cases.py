"""The menu, with its settings."""

from datetime import timedelta
from functools import partial
from typing import Any, NewType

from dishka import Provider, Scope, provide, provide_all
from litestar import Request

from adapters.common_passwords import common_passwords
from adapters.redis.health import RedisProbe
from adapters.redis.wakeup import RedisWakeup
from adapters.sql.health import DatabaseProbe
from application.accounts.authenticate import Authenticate, Caller
from application.accounts.change_password import ChangePassword, ProveOwner
from application.accounts.deliver_mail import APART_S, DeliverMail
from application.accounts.end_sessions import EndSessions
from application.accounts.log_out_everywhere import LogOutEverywhere
from application.accounts.login import Login
from application.accounts.logout import Logout
from application.accounts.mark_absent import MarkAbsent
from application.accounts.refresh import Refresh
from application.accounts.register import Register
from application.accounts.request_tutor import RequestTutor
from application.accounts.reset_password import ResetPassword
from application.accounts.send_mail import SendMail
from application.accounts.send_verification import SendVerification
from application.accounts.still_in import StillIn
from application.accounts.token_life import TokenLife
from application.accounts.update_password import UpdatePassword
from application.chat.delete_session import DeleteSession
from application.chat.mark_favorite import MarkFavorite
from application.chat.open_session import OpenSession
from application.chat.rename import RenameSession
from application.chat.search import SearchMessages
from application.documents.erase_file import EraseFile
from application.documents.index_document import IndexDocument
from application.documents.upload_file import UploadFile
from application.health import CheckHealth, UpstreamProbe
from application.jobs.work_off import WorkOff
from application.personal_data.erase_account import EraseAccount
from application.personal_data.expire_export import ExpireExport
from application.personal_data.export_account import ExportAccount
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.avatar_pool import AvatarPool
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.extraction import Extractor
from application.ports.full_text import FullText
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel
from application.ports.login_sessions import LoginSessions
from application.ports.mail import Mailer, Outbox
from application.ports.metrics import JobMetrics
from application.ports.persistence import JobQueue, Reading, WorkFactory
from application.ports.pictures import Pictures
from application.ports.throttle import Throttle
from application.ports.wakeup import Wakeup
from application.profile.change_picture import ChangePicture
from application.profile.read_notification import ReadNotification
from application.profile.show_profile import ShowProfile
from application.profile.update_profile import UpdateProfile
from domain.document import FileId, FileKind
from domain.export import ExportId
from domain.job import JobKind
from domain.tutor_request import TutorSignup
from entrypoints.http.client_address import ClientAddress
from entrypoints.http.controllers.pages import House
from entrypoints.http.policy import Roles
from entrypoints.settings import Settings
from entrypoints.wiring.avatars import check_managers
from entrypoints.wiring.shared_state import WaitingRedis, WorkerId

MailJobs = NewType("MailJobs", WorkOff)  # by themselves: a mail server that hangs holds up nothing else


class UseCaseProvider(Provider):
    """Use cases are frozen and hold no connection, so one of each serves the whole process."""

    scope = Scope.APP
    plain = provide_all(
        Authenticate,
        ChangePassword,
        DeleteSession,
        EndSessions,
        EraseFile,
        IndexDocument,
        LogOutEverywhere,
        Logout,
        MarkAbsent,
        MarkFavorite,
        OpenSession,
        Refresh,
        ReadNotification,
        RenameSession,
        ResetPassword,
        SearchMessages,
        ShowProfile,
        StillIn,
        UpdatePassword,
        UpdateProfile,
    )

    @provide
    def deliver_mail(self, outbox: Outbox, mailer: Mailer, clock: Clock, settings: Settings) -> DeliverMail:
        apart_s = 0.0 if settings.has_mailbox else APART_S  # whoever reads the mailbox knows anyway
        return DeliverMail(outbox=outbox, mailer=mailer, clock=clock, apart_s=apart_s)

    @provide
    def send_verification(
        self,
        reading: Reading,
        codes: Codes,
        outbox: Outbox,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> SendVerification:
        return SendVerification(
            reading=reading,
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
        reading: Reading,
        codes: Codes,
        hasher: PasswordHasher,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> Register:
        return Register(
            work=work,
            reading=reading,
            codes=codes,
            hasher=hasher,
            throttle=throttle,
            clock=clock,
            common_passwords=common_passwords(),
            tutor_signup=TutorSignup(settings.tutor_signup),
            hide_existing=settings.signup_hide_existing,
        )

    @provide
    def request_tutor(
        self, work: WorkFactory, end_sessions: EndSessions, clock: Clock, settings: Settings
    ) -> RequestTutor:
        return RequestTutor(
            work=work, end_sessions=end_sessions, clock=clock, tutor_signup=TutorSignup(settings.tutor_signup)
        )

    @provide
    def change_picture(
        self,
        work: WorkFactory,
        reading: Reading,
        pictures: Pictures,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> ChangePicture:
        return ChangePicture(
            work=work,
            reading=reading,
            pictures=pictures,
            throttle=throttle,
            clock=clock,
            max_mb=settings.max_image_mb,
        )

    @provide
    def prove_owner(self, codes: Codes, throttle: Throttle, hasher: PasswordHasher) -> ProveOwner:
        return ProveOwner(codes=codes, throttle=throttle, hasher=hasher, common_passwords=common_passwords())

    @provide
    def login(
        self,
        work: WorkFactory,
        reading: Reading,
        hasher: PasswordHasher,
        tokens: Tokens,
        sessions: LoginSessions,
        throttle: Throttle,
        outbox: Outbox,
        clock: Clock,
        life: TokenLife,
        settings: Settings,
    ) -> Login:
        return Login(
            work=work,
            reading=reading,
            hasher=hasher,
            tokens=tokens,
            sessions=sessions,
            throttle=throttle,
            outbox=outbox,
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
        metrics: JobMetrics,
        index_document: IndexDocument,
        erase_account: EraseAccount,
        export_account: ExportAccount,
        expire_export: ExpireExport,
        erase_file: EraseFile,
        full_text: FullText,
    ) -> WorkOff:
        async def index(payload: dict[str, Any], last_try: bool) -> None:
            await index_document(FileId(int(payload["file_id"])), last_try=last_try)

        async def give_up_index(payload: dict[str, Any]) -> None:
            await index_document.give_up(FileId(int(payload["file_id"])))

        async def erase(payload: dict[str, Any], last_try: bool) -> None:
            await erase_account(payload)

        async def export(payload: dict[str, Any], last_try: bool) -> None:
            await export_account(ExportId(int(payload["export_id"])), last_try=last_try)

        async def give_up_export(payload: dict[str, Any]) -> None:
            await export_account.give_up(ExportId(int(payload["export_id"])))

        async def expire(payload: dict[str, Any], last_try: bool) -> None:
            await expire_export(ExportId(int(payload["export_id"])))

        async def erase_one(payload: dict[str, Any], last_try: bool) -> None:
            await erase_file(FileId(int(payload["file_id"])))

        async def sweep(payload: dict[str, Any], last_try: bool) -> None:
            await full_text.sweep()

        return WorkOff(
            queue=queue,
            wakeup=wakeup,
            clock=clock,
            doing={
                JobKind.INDEX_DOCUMENT: index,
                JobKind.ERASE_ACCOUNT: erase,
                JobKind.ERASE_FILE: erase_one,
                JobKind.SWEEP_FULL_TEXT: sweep,
                JobKind.EXPORT_ACCOUNT: export,
                JobKind.EXPIRE_EXPORT: expire,
            },
            giving_up={
                JobKind.INDEX_DOCUMENT: give_up_index,
                JobKind.EXPORT_ACCOUNT: give_up_export,
            },
            worker=worker,
            metrics=metrics,
        )

    @provide
    def mail_jobs(
        self,
        queue: JobQueue,
        redis: WaitingRedis,
        clock: Clock,
        worker: WorkerId,
        mailer: Mailer,
        metrics: JobMetrics,
        settings: Settings,
    ) -> MailJobs:
        bell = RedisWakeup(redis, "jobs:bell:mail")  # whoever hears the other one is expected to do any job
        send_mail = SendMail(
            mailer=mailer, clock=clock, retry_for=timedelta(seconds=settings.mail_retry_seconds)
        )

        async def send(payload: dict[str, Any], _: bool) -> None:
            await send_mail(payload)

        doing = {JobKind.SEND_MAIL: send}
        mails = WorkOff(queue=queue, wakeup=bell, clock=clock, doing=doing, worker=worker, metrics=metrics)
        return MailJobs(mails)

    @provide
    def check_health(
        self,
        database: DatabaseProbe,
        redis: RedisProbe,
        model: LanguageModel,
        knowledge: Knowledge,
        pool: AvatarPool,
        catalogue: AvatarCatalogue,
    ) -> CheckHealth:
        upstreams = [
            UpstreamProbe("llm", model.check),
            UpstreamProbe("rag", knowledge.check),
            UpstreamProbe("avatar_manager", partial(check_managers, pool)),
            UpstreamProbe("live_server", catalogue.check),
        ]
        return CheckHealth([database, redis, *upstreams])


class HttpProvider(Provider):
    """What only the web server needs."""

    scope = Scope.APP

    @provide
    def roles(self, settings: Settings) -> Roles:
        return Roles(settings.tutors_administer)

    @provide
    def client_address(self, settings: Settings) -> ClientAddress:
        return ClientAddress(settings.trusted_proxies)

    @provide
    def house(self, settings: Settings, model: LanguageModel) -> House:
        return House(model.name, settings.has_mailbox)

    @provide(scope=Scope.REQUEST)
    def caller(self, request: Request) -> Caller:  # type: ignore[type-arg]  # dishka matches the bare type
        caller: Caller = request.state.caller  # the guard has put him there
        return caller
