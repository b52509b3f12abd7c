"""What administrators look at, asked of the fake, SQLite and PostgreSQL; and the action log's own safety."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.sql.administration import SqlActionRecords, SqlAdministration
from adapters.sql.engine import reading
from application.admin.verify_log import Flaw, Verdict, VerifyLog
from application.ports.administration import (
    ActionFilter,
    Administration,
    PublicDocument,
    RequestLine,
    UserFilter,
    UserLine,
)
from application.ports.persistence import System, Target
from domain.document import IndexState
from domain.tutor_request import RequestStatus, TutorRequest
from domain.user import DEFAULT_PICTURE, Role, Status, User, UserId
from tests.builders import a_file, a_user
from tests.contracts.stores import FakeStore, SqlStore, Store
from tests.fakes.administration import FakeActionRecords, FakeAdministration, kept_actions
from tests.fakes.clock import START

EVERYBODY, EVERYTHING = UserFilter(), ActionFilter()


@pytest.fixture
def administration(store: Store) -> Administration:
    if isinstance(store, FakeStore):
        return FakeAdministration(store.database)
    assert isinstance(store, SqlStore)
    return SqlAdministration(reading(store.engine))


async def someone(
    store: Store,
    name: str = "ann",
    minutes: int = 0,
    role: Role = Role.STUDENT,
    status: Status = Status.INACTIVE,
    texts: dict[str, str] | None = None,
) -> User:
    user = a_user(f"{name}@school.org", role=role, status=status, now=START + timedelta(minutes=minutes))
    user.own_profile(START).change(texts or {}, START)
    async with store.work() as w:
        w.users.add(user)
        await w.commit()
    return user


async def without_profile(store: Store, name: str) -> User:
    user = a_user(f"{name}@school.org")
    user.profile = None
    async with store.work() as w:
        w.users.add(user)
        await w.commit()
    return user


async def names(administration: Administration, **wanted: str) -> list[str]:
    listed = await administration.users(UserFilter(**wanted), 50, 0)
    assert listed.total == len(listed.items)
    return [line.email.partition("@")[0] for line in listed.items]


class TestUsers:
    async def test_are_shown_whole(self, store: Store, administration: Administration) -> None:
        texts = {"username": "annie", "full_name": "Ann Ō", "phone": "+49", "bio": "a\nb"}
        ann = await someone(store, role=Role.TUTOR, status=Status.BANNED, texts=texts)
        async with store.work() as w:
            held = await w.users.get(ann.id)
            assert held is not None
            held.last_login = START + timedelta(hours=1)
            await w.commit()
        assert (await administration.users(EVERYBODY, 10, 0)).items == [
            UserLine(
                ann.id,
                "ann@school.org",
                texts["username"],
                texts["full_name"],
                texts["phone"],
                texts["bio"],
                DEFAULT_PICTURE,
                "tutor",
                "banned",
                START,
                START + timedelta(hours=1),
            )
        ]

    async def test_without_a_profile_have_empty_texts(
        self, store: Store, administration: Administration
    ) -> None:
        ben = await without_profile(store, "ben")
        (line,) = (await administration.users(EVERYBODY, 10, 0)).items
        assert line == UserLine(
            ben.id, "ben@school.org", "", "", "", "", "", "student", "inactive", START, None
        )
        assert await names(administration, search="BEN") == ["ben"]

    async def test_the_newest_first_the_younger_before_its_twin(
        self, store: Store, administration: Administration
    ) -> None:
        for name, minutes in (("old", 1), ("new", 9), ("one", 5), ("twin", 5)):
            await someone(store, name, minutes)
        assert await names(administration) == ["new", "twin", "one", "old"]

    async def test_come_in_pages_that_know_the_total(
        self, store: Store, administration: Administration
    ) -> None:
        for n in range(5):
            await someone(store, f"u{n}", n)
        for offset, page in ((0, ["u4", "u3"]), (4, ["u0"]), (6, []), (2**62, [])):
            listed = await administration.users(EVERYBODY, 2, offset)
            assert ([one.username for one in listed.items], listed.total) == (page, 5)

    async def test_that_are_deleted_are_not_shown(self, store: Store, administration: Administration) -> None:
        ann = await someone(store)
        async with store.work() as w:
            held = await w.users.get(ann.id)
            assert held is not None
            await w.users.forget_rows(ann.id, START)
            held.bury(START)
            await w.commit()
        assert await names(administration) == []
        assert await names(administration, search="deleted") == []

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("ANN@", ["ann"]),
            ("school.ORG", ["cem", "ben", "ann"]),
            ("annie", ["ann"]),
            ("o'h", ["ben"]),
            ("BEN O'HÅRE", ["ben"]),
            ("hÅr", ["ben"]),
            ("ÇEM ДОЙЛЬ", ["cem"]),
            ("дой", ["cem"]),
            ("王", ["cem"]),
            ("%", ["ben"]),
            ("_", ["ann"]),
            ("\\", ["cem"]),
            ("a%n", []),
            ("' OR 1=1 --", []),
            ("x" * 60_000, []),
        ],
    )
    async def test_are_found_by_any_part_in_any_letter_case(
        self, store: Store, administration: Administration, search: str, found: list[str]
    ) -> None:
        await someone(store, "ann", 0, texts={"username": "Annie_2"})
        await someone(store, "ben", 1, texts={"full_name": "Ben O'Håre 100%"})
        await someone(store, "cem", 2, texts={"username": "\\o/ 王", "full_name": "Çem Дойль"})
        assert await names(administration, search=search) == found

    async def test_are_narrowed_by_role_and_status(
        self, store: Store, administration: Administration
    ) -> None:
        await someone(store, "ann", 0)
        await someone(store, "tim", 1, role=Role.TUTOR)
        await someone(store, "bad", 2, role=Role.TUTOR, status=Status.BANNED)
        assert await names(administration, role="tutor") == ["bad", "tim"]
        assert await names(administration, role="tutor", status="banned") == ["bad"]
        assert await names(administration, status="inactive", search="t") == ["tim"]
        assert await names(administration, role="Tutor") == await names(administration, status="x") == []


class TestActions:
    async def test_are_the_log_newest_first(self, store: Store, administration: Administration) -> None:
        ann = await someone(store)
        async with store.work() as w:
            await w.log.record(System(), "create", ann, START, {"role": "student"})
            await w.log.record(ann, "delete", Target(UserId(77), "gone@school.org"), START, None, "why")
            await w.commit()
        listed = await administration.actions(EVERYTHING, 10, 0)
        assert listed.total == 2
        last, first = (kept.line for kept in listed.items)
        assert (first.operator_email, first.role, first.action, first.target_user_id) == (
            "system",
            "system",
            "create",
            ann.id,
        )
        assert (first.details, first.reason, first.timestamp) == ({"role": "student"}, None, START)
        assert (last.target_user_id, last.target_user_email, last.reason, last.details) == (
            77,
            "gone@school.org",
            "why",
            None,
        )
        assert listed.items[0].id > listed.items[1].id

    async def test_are_narrowed_exactly_and_paged(self, store: Store, administration: Administration) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        async with store.work() as w:
            for n in range(3):
                await w.log.record(ann, "login", ann, START + timedelta(minutes=n))
            await w.log.record(ann, "update", ben, START)
            await w.commit()

        async def count(**wanted: str) -> int:
            return (await administration.actions(ActionFilter(**wanted), 1, 0)).total

        assert await count(operator_email="ann@school.org") == 4
        assert await count(operator_email="ann") == 0
        assert await count(target_user_email="ben@school.org") == 1
        assert await count(action="login", operator_email="ann@school.org") == 3
        assert await count(action="log%") == 0
        page = await administration.actions(ActionFilter(action="login"), 2, 2)
        assert [kept.line.timestamp for kept in page.items] == [START]


class TestRequests:
    async def test_show_who_asked(self, store: Store, administration: Administration) -> None:
        ann, ben = await someone(store), await without_profile(store, "ben")
        async with store.work() as w:
            w.tutor_requests.add(TutorRequest(user_id=ann.id, reason="I teach", created_at=START))
            await w.flush()
            done = TutorRequest(user_id=ben.id, reason="", created_at=START)
            done.decide(RequestStatus.REJECTED, "root@school.org", START)
            w.tutor_requests.add(done)
            await w.commit()

        everything = (await administration.tutor_requests(None, 10, 0)).items
        assert [line.user_id for line in everything] == [ben.id, ann.id]
        assert everything[0] == RequestLine(
            done.id,
            ben.id,
            "ben@school.org",
            "",
            "",
            RequestStatus.REJECTED,
            START,
            START,
            "root@school.org",
        )
        (waiting,) = (await administration.tutor_requests(RequestStatus.PENDING, 10, 0)).items
        assert (waiting.username, waiting.reason, waiting.decided_at) == ("ann", "I teach", None)
        assert (await administration.tutor_requests(RequestStatus.APPROVED, 10, 0)).total == 0
        second = await administration.tutor_requests(None, 1, 1)
        assert ([line.user_id for line in second.items], second.total) == ([ann.id], 2)

    async def test_tell_whose_they_are(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            request = TutorRequest(user_id=ann.id, reason="", created_at=START)
            w.tutor_requests.add(request)
            await w.commit()
        async with store.work() as w:
            assert await w.tutor_requests.requester(request.id) == ann.id
            assert await w.tutor_requests.requester(type(request.id)(999_999)) is None


class TestPublicDocuments:
    async def test_are_the_living_ones_newest_first(
        self, store: Store, administration: Administration
    ) -> None:
        ann = await someone(store)
        states = [IndexState.INDEXED, IndexState.PENDING, IndexState.FAILED]
        kept = [
            await store.keep(
                a_file(ann.id, f"{state}.pdf", public=True, rag_status=state, index_name=f"i-{state}")
            )
            for state in states
        ]
        await store.keep(a_file(ann.id, "gone.pdf", public=True, deleted=True, index_name="i-gone"))
        await store.keep(a_file(ann.id, "own.pdf", index_name="i-own"))
        await store.keep(a_file(ann.id, "bare.pdf", public=True, deleted=True))

        listed = await administration.public_documents(2, 0)
        assert listed.items == [
            PublicDocument(kept[2], "failed.pdf", IndexState.FAILED, START),
            PublicDocument(kept[1], "pending.pdf", IndexState.PENDING, START),
        ]
        assert listed.total == 3
        names = {"i-indexed", "i-pending", "i-failed", "i-gone"}
        assert await administration.public_index_names() == names


async def test_who_has_searchable_documents_of_his_own(store: Store, administration: Administration) -> None:
    ann, ben, cleo = [(await someone(store, name)).id for name in ("ann", "ben", "cleo")]
    for owner, state, public, deleted in (
        (cleo, IndexState.INDEXED, False, False),
        (cleo, IndexState.INDEXED, False, False),
        (ann, IndexState.INDEXED, False, False),
        (ben, IndexState.PENDING, False, False),
        (ben, IndexState.INDEXED, True, False),
        (ben, IndexState.INDEXED, False, True),
    ):
        await store.keep(a_file(owner, rag_status=state, public=public, deleted=deleted))
    assert list(await administration.knowledge_owners()) == sorted([ann, cleo])


async def verdict(store: Store, head: str | None = None) -> Verdict:
    if isinstance(store, FakeStore):
        records: Any = FakeActionRecords(kept_actions(store.database.tables))
    else:
        assert isinstance(store, SqlStore)
        records = SqlActionRecords(reading(store.engine), portion=4)
    return await VerifyLog(records)(head)


async def written(store: Store, lines: int) -> None:
    ann = await someone(store)
    for n in range(lines):
        async with store.work() as w:
            details: dict[str, object] = {
                "bio": ["", f"Größe {n} \N{GRADUATION CAP}"],
                "n": n,
                "list": [1, None],
            }
            await w.log.record(ann, "update", ann, START + timedelta(microseconds=n), details, "\\' \" 王")
            await w.commit()


@pytest.mark.parametrize("lines", [0, 1, 4, 9])
async def test_what_was_written_is_sound(store: Store, lines: int) -> None:
    await written(store, lines)
    found = await verdict(store)
    assert (found.sound, found.lines) == (True, lines)


async def test_many_who_write_at_once_leave_one_chain(store: Store) -> None:
    ann = await someone(store)

    async def write(n: int) -> None:
        async with store.work() as w:
            await w.log.record(ann, "login", Target(UserId(n), "x@school.org"), START)
            await w.log.record(ann, "logout", Target(UserId(n), "x@school.org"), START)
            await w.commit()

    await asyncio.gather(*(write(n) for n in range(50)))
    found = await verdict(store)
    assert (found.sound, found.lines) == (True, 100)


@pytest.fixture(params=["sqlite", "postgresql"])
def real_store(request: pytest.FixtureRequest) -> SqlStore:
    found: SqlStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
async def real(real_store: SqlStore) -> SqlStore:
    await real_store.clear()
    await written(real_store, 6)
    return real_store


async def run(store: SqlStore, *statements: str) -> None:
    async with store.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def ids(store: SqlStore) -> list[int]:
    async with store.engine.connect() as connection:
        return list(await connection.scalars(text("SELECT id FROM user_action_log ORDER BY id")))


class unlocked:  # noqa: N801 (reads as a word)
    """Somebody with the keys to the database takes the guard away, and puts it back."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.back: list[str] = []

    async def __aenter__(self) -> None:
        if self.store.engine.dialect.name == "postgresql":
            await run(self.store, "ALTER TABLE user_action_log DISABLE TRIGGER ALL")
            self.back = ["ALTER TABLE user_action_log ENABLE TRIGGER ALL"]
            return
        async with self.store.engine.begin() as connection:
            guards = text("SELECT name, sql FROM sqlite_master WHERE name LIKE 'user_action_log_no_%'")
            for name, made in (await connection.execute(guards)).all():
                self.back.append(made)
                await connection.execute(text(f"DROP TRIGGER {name}"))

    async def __aexit__(self, *_: object) -> None:
        notice = "SELECT 1 FROM user_action_log"  # an old connection may not know yet that they are gone
        await run(self.store, notice, *self.back)


@pytest.mark.parametrize(
    "statement", ["UPDATE user_action_log SET role = 'x'", "DELETE FROM user_action_log"]
)
async def test_the_database_itself_refuses_changes(real: SqlStore, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        await run(real, statement)
    assert (await verdict(real)).lines == 6


async def test_postgresql_refuses_to_empty_it(real: SqlStore) -> None:
    if real.engine.dialect.name == "sqlite":  # has no such statement
        return
    with pytest.raises(DBAPIError, match="append-only"):
        await run(real, "TRUNCATE user_action_log")


@pytest.mark.parametrize(
    "change",
    [
        "operator_email = 'x@y.z'",
        "role = 'tutor'",
        "action = 'login'",
        "target_user_id = target_user_id + 1",
        "target_user_email = NULL",
        "reason = NULL",
        "details = NULL",
        """details = '{"bio": ["", "other"], "n": 2, "list": [1, null]}'""",
        "timestamp = '2025-11-18 10:30:45.000003+00:00'",
    ],
)
async def test_a_changed_line_is_found(real: SqlStore, change: str) -> None:
    third = (await ids(real))[2]
    async with unlocked(real):
        await run(real, f"UPDATE user_action_log SET {change} WHERE id = {third}")
    (finding,) = (await verdict(real)).findings
    assert (finding.flaw, finding.kept.id) == (Flaw.CHANGED, third)


async def test_a_removed_line_is_found(real: SqlStore) -> None:
    numbers = await ids(real)
    async with unlocked(real):
        await run(real, f"DELETE FROM user_action_log WHERE id = {numbers[2]}")
    (finding,) = (await verdict(real)).findings
    assert (finding.flaw, finding.kept.id, finding.before) == (
        Flaw.REMOVED_BEFORE,
        numbers[3],
        numbers[1],
    )


async def test_a_line_put_in_is_found(real: SqlStore) -> None:
    numbers = await ids(real)
    async with unlocked(real):  # a gap is needed first: numbers are given in order
        await run(
            real,
            f"UPDATE user_action_log SET id = id + 1000 WHERE id > {numbers[2]}",
            "INSERT INTO user_action_log (id, operator_email, role, action, target_user_id, timestamp, hash)"
            f" VALUES ({numbers[2] + 1}, 'x', 'x', 'x', 1, '2025-11-18 10:30:45+00:00', '{'a' * 64}')",
        )
    (finding,) = (await verdict(real)).findings
    assert (finding.flaw, finding.kept.id) == (Flaw.INSERTED, numbers[2] + 1)


async def test_a_cut_off_end_is_found_by_the_head(real: SqlStore) -> None:
    head = (await verdict(real)).head
    numbers = await ids(real)
    async with unlocked(real):
        await run(real, f"DELETE FROM user_action_log WHERE id > {numbers[3]}")
    assert (await verdict(real)).sound
    assert (await verdict(real, head)).cut_off
