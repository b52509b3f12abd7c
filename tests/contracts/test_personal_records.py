"""What the database holds about a user, for his own eyes: asked of SQLite and PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.sql.engine import reading
from adapters.sql.personal_data import PORTION, SqlPersonalRecords
from application.ports.personal_data import PersonalRecords, RecordKind
from domain.conversation import MessageState, Speaker
from domain.tutor_request import TutorRequest
from domain.user import Role, User, UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.contracts.stores import SqlStore
from tests.fakes.clock import START

ANN, BEN, ADA = "ann@example.org", "ben@example.org", "ada@example.org"


@pytest.fixture
def records(sql: SqlStore) -> PersonalRecords:
    return SqlPersonalRecords(reading(sql.engine))


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
    }  # read as a table # fmt: skip
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
            reply.sources = [{"n": 1, "filename": "a.txt", "snippet": "What it says."}]
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


async def test_of_what_he_did_to_others_there_is_no_name_and_no_text(
    sql: SqlStore, records: PersonalRecords
) -> None:
    ada, ben = await stored(sql, ADA, Role.ADMIN), await stored(sql, BEN)
    was: dict[str, object] = {"full_name": "Ben Lee", "role": "student", "email": BEN}
    async with sql.work() as w:
        await w.log.record(ada, "update", ben, START, {"email": ["old@example.org", BEN], "bio": ["", "Ben"]})
        await w.log.record(ada, "update", ben, START, {"tutor_request": ["pending", "rejected"]}, "Ben lied")
        await w.log.record(ada, "update", ben, START, {"status": ["active", "banned"]})
        await w.log.record(ada, "delete", ben, START, was, "Ben asked for it")
        await w.log.record(ada, "logout", ben, START)
        await w.commit()

    lines = await of(records, ada.id, RecordKind.ACTION)

    assert [line["details"] for line in lines] == [
        {}, {"tutor_request": ["pending", "rejected"]}, {"status": ["active", "banned"]},
        {"role": "student"}, {},
    ]  # read as a table # fmt: skip
    assert {line["target_user_id"] for line in lines} == {ben.id}
    assert {line["operator_email"] for line in lines} == {ADA}
    assert not any("reason" in line or "target_user_email" in line for line in lines)
    assert "ben" not in repr(lines).casefold()


async def test_what_others_did_under_an_address_before_or_after_him_is_not_his(
    sql: SqlStore, records: PersonalRecords
) -> None:
    """`head@` goes from Ada to Ann and on to Eve; each exports what was done while it was hers."""
    head, now = "head@example.org", START
    ada, ann, eve, ben = [
        await stored(sql, email, Role.ADMIN) for email in (head, ANN, "eve@example.org", BEN)
    ]

    async def step(who: User, action: str) -> None:
        nonlocal now
        now += timedelta(minutes=1)
        async with sql.work() as w:
            await w.log.record(who, action, ben, now)
            await w.commit()

    async def move(who: User, email: str) -> None:
        nonlocal now
        now += timedelta(minutes=1)
        async with sql.work() as w:
            found = await w.users.get(who.id)
            assert found is not None
            changed: dict[str, object] = {"email": [who.email, email]}
            found.email = who.email = email
            await w.log.record(ben, "update", found, now, changed)
            await w.commit()

    people, moves = (
        {"ada": ada, "ann": ann, "eve": eve},
        [[(ada, ADA), (ann, head)], [(ann, ANN), (eve, head)]],
    )
    for n in (1, 2, 3):
        for name, who in people.items():
            await step(who, f"{name}-{n}")
            async with sql.work() as w:
                await w.log.record(who, "update", who, now, {"bio": ["", "email"]})
                await w.commit()
        for who, email in moves.pop(0) if moves else ():
            await move(who, email)

    for name, who in people.items():
        lines = [line for line in await of(records, who.id, RecordKind.ACTION) if line["action"] != "update"]
        assert [line["action"] for line in lines] == [f"{name}-{n}" for n in (1, 2, 3)]


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
