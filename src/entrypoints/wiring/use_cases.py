"""The menu, with its settings."""

from datetime import timedelta
from functools import partial

from dishka import Provider, Scope, provide, provide_all
from litestar import Request

from adapters.common_passwords import common_passwords
from adapters.redis.health import RedisProbe
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
from application.accounts.send_verification import SendVerification
from application.accounts.still_in import StillIn
from application.accounts.token_life import TokenLife
from application.accounts.update_password import UpdatePassword
from application.chat.delete_session import DeleteSession
from application.chat.mark_favorite import MarkFavorite
from application.chat.open_session import OpenSession
from application.chat.rename import RenameSession
from application.chat.search import SearchMessages
from application.files.erase_file import EraseFile
from application.health import CheckHealth, UpstreamProbe
from application.ports.avatar_catalogue import AvatarCatalogue
from application.ports.avatar_pool import AvatarPool
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel
from application.ports.login_sessions import LoginSessions
from application.ports.mail import Mailer, Outbox
from application.ports.persistence import Reading, WorkFactory
from application.ports.pictures import Pictures
from application.ports.scanner import Scanner
from application.ports.throttle import Throttle
from application.profile.change_picture import ChangePicture
from application.profile.read_notification import ReadNotification
from application.profile.show_profile import ShowProfile
from application.profile.update_profile import UpdateProfile
from domain.tutor_request import TutorSignup
from entrypoints.http.client_address import ClientAddress
from entrypoints.http.controllers.pages import House
from entrypoints.http.policy import Roles
from entrypoints.settings import Settings
from entrypoints.wiring.avatars import check_managers


class UseCaseProvider(Provider):
    """Use cases are frozen and hold no connection, so one of each serves the whole process."""

    scope = Scope.APP
    plain = provide_all(
        Authenticate,
        ChangePassword,
        DeleteSession,
        EndSessions,
        EraseFile,
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
        scanner: Scanner,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
    ) -> ChangePicture:
        return ChangePicture(
            work=work,
            reading=reading,
            pictures=pictures,
            scanner=scanner,
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
