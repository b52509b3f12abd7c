"""What the database holds about a user, for his own eyes: asked of SQLite and PostgreSQL."""

from typing import Any

import pytest

from adapters.sql.personal_data import PORTION, SqlPersonalRecords
from application.ports.personal_data import PersonalRecords, RecordKind
from domain.conversation import MessageState, Speaker
from domain.tutor_request import TutorRequest
from domain.user import Role, User, UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.contracts.stores import SqlStore
from tests.fakes.clock import START

ANN, ADA = "ann@example.org", "ada@example.org"


@pytest.fixture
def records(sql: SqlStore) -> PersonalRecords:
    return SqlPersonalRecords(sql.sessions)


async def stored(sql: SqlStore, email: str = ANN, role: Role = Role.STUDENT) -> User:
    async with sql.work() as w:
        user = a_user(email, role=role)
        w.users.add(user)
        await w.commit()
    return user


async def of(records: PersonalRecords, user: UserId, kind: RecordKind) -> list[dict[str, Any]]:
    return [dict(record) async for record in records.records(user, kind)]


async def test_the_account_has_no_proof_in_it(sql: SqlStore, records: PersonalRecords) -> None:
    ann = await stored(sql)
    (account,) = await of(records, ann.id, RecordKind.ACCOUNT)
    assert account == {
        "id": ann.id, "email": ANN, "role": "student", "status": "inactive",
        "created_at": "2025-11-18T10:30:45.000000Z", "last_login": None,
    }  # fmt: skip
    (profile,) = await of(records, ann.id, RecordKind.PROFILE)
    assert profile["username"] == "ann"
    assert "user_id" not in profile


async def test_everything_is_his_and_nobody_elses(sql: SqlStore, records: PersonalRecords) -> None:
    ann, ben = await stored(sql), await stored(sql, "ben@example.org")
    for user in (ann, ben):
        async with sql.work() as w:
            session = await a_stored_session(w, user.id)
            w.messages.add(a_message(session.id, f"of {user.id}"))
            reply = a_message(session.id, "Yes.", Speaker.ASSISTANT, MessageState.INTERRUPTED)
            reply.sources = [{"n": 1, "filename": "a.txt"}]
            w.messages.add(reply)
            w.files.add(a_file(user.id, f"{user.id}.txt"))
            w.files.add(a_file(user.id, "deleted.txt", deleted=True))
            w.tutor_requests.add(TutorRequest(user_id=user.id, reason="I teach.", created_at=START))
            await w.notifications.add(user.id, "Hello", f"to {user.id}", "info", START)
            await w.commit()

    asked, answered = await of(records, ann.id, RecordKind.MESSAGE)
    assert asked["content"] == f"of {ann.id}"
    assert (answered["role"], answered["state"]) == ("assistant", "interrupted")
    assert answered["sources"] == [{"n": 1, "filename": "a.txt"}]
    (file,) = await of(records, ann.id, RecordKind.FILE)
    assert file["original_name"] == f"{ann.id}.txt"
    assert "disk_name" not in file
    (note,) = await of(records, ann.id, RecordKind.NOTIFICATION)
    assert (note["message"], note["is_read"]) == (f"to {ann.id}", False)
    (request,) = await of(records, ann.id, RecordKind.TUTOR_REQUEST)
    assert (request["reason"], request["status"]) == ("I teach.", "pending")
    (session_line,) = await of(records, ann.id, RecordKind.CHAT_SESSION)
    assert session_line["title"] == "Biology"
    assert await of(records, ann.id, RecordKind.SAFEGUARD) == []


async def test_actions_tell_no_address_but_his_own(sql: SqlStore, records: PersonalRecords) -> None:
    ann, ada = await stored(sql), await stored(sql, ADA, Role.ADMIN)
    async with sql.work() as w:
        await w.log.record(ann, "login", ann, START)
        await w.log.record(ada, "update", ann, START, {"role": ["student", "tutor"]}, "asked for it")
        await w.log.record(ada, "login", ada, START)
        await w.commit()
    login, update = await of(records, ann.id, RecordKind.ACTION)
    assert (login["action"], login["operator_email"], login["target_user_email"]) == ("login", ANN, ANN)
    assert (update["action"], update["role"], update["reason"]) == ("update", "admin", "asked for it")
    assert update["details"] == {"role": ["student", "tutor"]}
    assert "operator_email" not in update
    assert ADA not in repr((login, update))


async def test_what_an_earlier_owner_of_the_address_did_is_not_his(
    sql: SqlStore, records: PersonalRecords
) -> None:
    gone = await stored(sql)
    async with sql.work() as w:
        await w.log.record(gone, "login", gone, START.replace(year=2024))
        await w.commit()
    await sql.delete_user(gone.id)
    ann = await stored(sql)
    assert await of(records, ann.id, RecordKind.ACTION) == []


async def test_many_come_whole_and_in_order(sql: SqlStore, records: PersonalRecords) -> None:
    ann = await stored(sql)
    async with sql.work() as w:
        session = await a_stored_session(w, ann.id)
        for n in range(2 * PORTION):
            w.messages.add(a_message(session.id, str(n)))
        await w.commit()
    found = await of(records, ann.id, RecordKind.MESSAGE)
    assert len(found) == 2 * PORTION
    assert [message["id"] for message in found] == sorted(message["id"] for message in found)


async def test_of_nobody_there_is_nothing(sql: SqlStore, records: PersonalRecords) -> None:
    for kind in RecordKind:
        assert await of(records, UserId(999), kind) == []
