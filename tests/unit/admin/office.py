"""The administration's use cases on fakes, and the people in a school."""

from dataclasses import dataclass, field
from typing import Any

from application.accounts.end_sessions import EndSessions
from application.accounts.send_verification import SendVerification
from application.admin.create_user import CreateUser
from application.admin.decide_tutor_request import DecideTutorRequest
from application.admin.delete_user import DeleteUser
from application.admin.edit_user import Edit, EditUser
from application.admin.log_out_user import LogOutUser
from application.admin.send_reset import SendReset
from application.avatars.release import ReleaseAvatar
from application.ports.credentials import Claims
from application.ports.persistence import Account
from domain.tutor_request import TutorRequest
from domain.user import Role, Status, User
from tests.builders import a_user
from tests.fakes.avatar_leases import FakeAvatarLeases
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.credentials import LIFE, FakePasswordHasher
from tests.fakes.login_sessions import FakeLoginSessions
from tests.fakes.mail import FakeOutbox
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory, LogLine
from tests.fakes.speech_floor import nobody_speaks
from tests.fakes.throttle import FakeThrottle
from tests.fakes.wakeup import FakeWakeup

ROOT, ADA, TIM, ANN = "root@school.org", "ada@school.org", "tim@school.org", "ann@school.org"
PASSWORD = "correct horse battery"
IP = "203.0.113.7"


@dataclass(eq=False)
class Office:
    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    hasher: FakePasswordHasher = field(default_factory=FakePasswordHasher)

    def __post_init__(self) -> None:
        self.codes = FakeCodes(self.clock)
        self.outbox = FakeOutbox(self.clock)
        self.sessions = FakeLoginSessions(self.clock)
        self.stops = FakeCalls()
        self.wakeup = FakeWakeup()
        self.work = FakeWorkFactory(self.database)
        work, clock = self.work, self.clock
        release = ReleaseAvatar(holdings=FakeAvatarLeases(clock=clock), hush=nobody_speaks, clock=clock)
        ending = EndSessions(sessions=self.sessions, calls=self.stops, release_avatar=release)
        verification = SendVerification(
            reading=FakeReading(self.database),
            codes=self.codes,
            outbox=self.outbox,
            throttle=FakeThrottle(clock),
            clock=clock,
            hide_existing=False,
        )
        self.create_user = CreateUser(
            work=work, hasher=self.hasher, clock=clock, common_passwords=frozenset({"password1"})
        )
        self.edit_user = EditUser(work=work, codes=self.codes, end_sessions=ending, clock=clock)
        self.delete_user = DeleteUser(work=work, end_sessions=ending, wakeup=self.wakeup, clock=clock)
        self.log_out_user = LogOutUser(work=work, end_sessions=ending, clock=clock)
        self.send_reset = SendReset(work=work, send_verification=verification, clock=clock)
        self.decide = DecideTutorRequest(work=work, end_sessions=ending, clock=clock)

    async def somebody(
        self, email: str, role: Role = Role.STUDENT, status: Status = Status.INACTIVE
    ) -> Account:
        """As the guard of a request knows him."""
        user = a_user(email, await self.hasher.hash(PASSWORD), role, status)
        async with self.work() as w:
            w.users.add(user)
            await w.commit()
        return Account(user.id, user.email, user.role, banned=status is Status.BANNED)

    async def signed_in(self, who: Account) -> Claims:
        claims = LIFE.first(who.id, self.clock.now(), self.clock.now())
        await self.sessions.open(claims, who.email, self.clock.now(), single=False)
        return claims

    async def asks(self, who: Account) -> TutorRequest:
        async with self.work() as w:
            request = TutorRequest(user_id=who.id, reason="I teach", created_at=self.clock.now())
            w.tutor_requests.add(request)
            await w.commit()
        return request

    async def edit(self, operator: Account, who: Account, **changes: Any) -> None:
        own = {name: changes.pop(name) for name in ("email", "role", "status") if name in changes}
        await self.edit_user(operator, who.id, Edit(**own, texts=changes))

    def user(self, who: Account) -> User:
        return self.database.tables.users[who.id]

    def is_revoked(self, claims: Claims) -> bool:
        """In the database: whatever Redis says, the guard lets it in no more."""
        tokens_from = self.database.tables.users[claims.user].tokens_from
        return tokens_from is not None and claims.auth_time < tokens_from

    @property
    def log(self) -> list[LogLine]:
        return self.database.tables.log

    @property
    def told(self) -> list[tuple[int, str, str]]:
        return [(note.user, note.title, note.type) for note in self.database.tables.notifications]
