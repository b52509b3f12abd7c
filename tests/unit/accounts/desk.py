"""The accounts' use cases on fakes, as a house has them."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from application.accounts.authenticate import Authenticate, Caller
from application.accounts.change_password import ChangePassword, ProveOwner
from application.accounts.delete_account import DeleteAccount
from application.accounts.end_sessions import EndSessions
from application.accounts.log_out_everywhere import LogOutEverywhere
from application.accounts.login import Login
from application.accounts.logout import Logout
from application.accounts.refresh import Refresh
from application.accounts.register import Register
from application.accounts.reset_password import ResetPassword
from application.accounts.send_verification import SendVerification
from application.accounts.still_in import StillIn
from application.accounts.update_password import UpdatePassword
from application.avatars.release import ReleaseAvatar
from application.ports.credentials import Claims
from domain.avatar import AvatarName, Instance, Lease
from domain.tutor_request import TutorSignup
from domain.user import Role, Status, User, UserId
from tests.builders import a_user
from tests.fakes.avatar_leases import FakeAvatarLeases
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.credentials import LIFE, FakePasswordHasher, some_tokens
from tests.fakes.login_sessions import FakeLoginSessions
from tests.fakes.mail import FakeOutbox
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory, Tables
from tests.fakes.speech_floor import nobody_speaks
from tests.fakes.throttle import FakeThrottle
from tests.fakes.wakeup import FakeWakeup

ANN, BEN = "ann@example.org", "ben@example.org"
PASSWORD = "correct horse battery"
IP = "203.0.113.7"
COMMON = frozenset({"password1"})


@dataclass(eq=False)
class Desk:
    """Everything accounts need; the first three fields are the house's settings."""

    hide_existing: bool = False
    tutor_signup: TutorSignup = TutorSignup.APPROVAL
    single_session: bool = True
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    hasher: FakePasswordHasher = field(default_factory=FakePasswordHasher)

    def __post_init__(self) -> None:
        self.codes = FakeCodes(self.clock)
        self.outbox = FakeOutbox(self.clock)
        self.throttle = FakeThrottle(self.clock)
        self.sessions = FakeLoginSessions(self.clock)
        self.tokens = some_tokens()
        self.stops = FakeCalls()
        self.wakeup = FakeWakeup()
        self.avatars = FakeAvatarLeases(clock=self.clock)
        self.release_avatar = ReleaseAvatar(holdings=self.avatars, hush=nobody_speaks, clock=self.clock)
        self.work = FakeWorkFactory(self.database)
        self.reading = FakeReading(self.database)

    @property
    def send_verification(self) -> SendVerification:
        return SendVerification(
            reading=self.reading,
            codes=self.codes,
            outbox=self.outbox,
            throttle=self.throttle,
            clock=self.clock,
            hide_existing=self.hide_existing,
        )

    @property
    def register(self) -> Register:
        return Register(
            work=self.work,
            reading=self.reading,
            codes=self.codes,
            hasher=self.hasher,
            throttle=self.throttle,
            clock=self.clock,
            common_passwords=COMMON,
            tutor_signup=self.tutor_signup,
            hide_existing=self.hide_existing,
        )

    @property
    def login(self) -> Login:
        return Login(
            work=self.work,
            reading=self.reading,
            hasher=self.hasher,
            tokens=self.tokens,
            sessions=self.sessions,
            throttle=self.throttle,
            outbox=self.outbox,
            clock=self.clock,
            life=LIFE,
            single_session=self.single_session,
        )

    @property
    def logout(self) -> Logout:
        return Logout(
            work=self.work, sessions=self.sessions, release_avatar=self.release_avatar, clock=self.clock
        )

    @property
    def authenticate(self) -> Authenticate:
        return Authenticate(
            tokens=self.tokens,
            sessions=self.sessions,
            reading=self.reading,
            clock=self.clock,
        )

    @property
    def refresh(self) -> Refresh:
        return Refresh(sessions=self.sessions, tokens=self.tokens, clock=self.clock, life=LIFE)

    @property
    def still_in(self) -> StillIn:
        return StillIn(sessions=self.sessions, reading=self.reading, clock=self.clock)

    @property
    def end_sessions(self) -> EndSessions:
        return EndSessions(sessions=self.sessions, calls=self.stops, release_avatar=self.release_avatar)

    @property
    def log_out_everywhere(self) -> LogOutEverywhere:
        return LogOutEverywhere(work=self.work, end_sessions=self.end_sessions, clock=self.clock)

    @property
    def delete_account(self) -> DeleteAccount:
        return DeleteAccount(
            work=self.work,
            codes=self.codes,
            throttle=self.throttle,
            end_sessions=self.end_sessions,
            wakeup=self.wakeup,
            clock=self.clock,
        )

    @property
    def update_password(self) -> UpdatePassword:
        return UpdatePassword(prove_owner=self._prove_owner, change_password=self._change_password)

    @property
    def reset_password(self) -> ResetPassword:
        return ResetPassword(
            prove_owner=self._prove_owner,
            change_password=self._change_password,
            reading=self.reading,
            throttle=self.throttle,
        )

    @property
    def _prove_owner(self) -> ProveOwner:
        return ProveOwner(
            codes=self.codes, throttle=self.throttle, hasher=self.hasher, common_passwords=COMMON
        )

    @property
    def _change_password(self) -> ChangePassword:
        return ChangePassword(work=self.work, end_sessions=self.end_sessions, clock=self.clock)

    @property
    def tables(self) -> Tables:
        """What was committed."""
        return self.database.tables

    async def someone(
        self,
        email: str = ANN,
        password: str = PASSWORD,
        role: Role = Role.STUDENT,
        status: Status = Status.INACTIVE,
    ) -> User:
        user = a_user(email, await self.hasher.hash(password), role, status)
        async with self.work() as w:
            w.users.add(user)
            await w.commit()
        return user

    async def set_status(self, user: User, status: Status) -> None:
        async with self.work() as w:
            found = await w.users.get(user.id)
            assert found is not None
            found.status = status
            await w.commit()

    async def code_for(self, email: str = ANN, purpose: str = "register") -> str:
        """As it arrives by mail."""
        await self.send_verification(email, purpose, IP)
        return code_in(self.outbox.last_to(email).text)

    async def caller(self, token: str) -> Caller:
        return await self.authenticate(f"Bearer {token}")

    async def signed_in(self, email: str = ANN) -> tuple[str, Claims]:
        token = await self.login(email, PASSWORD, IP)
        return token, self.tokens.read(token, self.clock.now())

    def user(self, email: str = ANN) -> User:
        return next(user for user in self.tables.users.values() if user.email == email)

    def later(self, **time: float) -> None:
        self.clock.pass_(timedelta(**time))

    async def with_avatar(self, user: UserId) -> None:
        number = await self.avatars.claim(user)
        assert number
        mira = AvatarName("mira")
        instance = Instance(manager="http://manager", avatar=mira, host="gpu", port=8615)
        await self.avatars.hold(
            Lease(
                user=user,
                avatar=mira,
                number=number,
                instance=instance,
                started_at=0.0,
                confirmed_at=0.0,
            )
        )


def code_in(text: str) -> str:
    found = re.search(r"\b\d{6}\b", text)
    assert found is not None, text
    return found[0]
