"""What Redis and the full-text index keep about somebody, and that it goes."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.redis.mail import RedisMailbox
from adapters.redis.traces import RedisTraces
from adapters.sql.index_traces import SqlIndexTraces
from application.accounts.mails import tutor_request_mail
from application.ports.mail import Mail
from application.ports.passages import Vector
from application.ports.personal_data import Departed, StillThere
from domain.errors import StorageBusy, StorageUnavailable
from domain.user import UserId
from tests.builders import a_file, a_passage, a_user
from tests.contracts.stores import SqlStore, sql_store
from tests.fakes.clock import START
from tests.migrated import migrated

ANN = Departed(UserId(7), "ann@example.org", START)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


class TestRedis:
    async def test_forgets_what_is_kept_under_the_number(self, redis: Redis) -> None:
        for key in ("sessionid:7", "rtc:7", "avatar:lease:7", "avatar:lock:7", "idem:7:a", "idem:7:b"):
            await redis.set(key, "x")
            await redis.set(key.replace("7", "77"), "x")
        await redis.hset("avatar:user_mappings", mapping={"7": "{}", "77": "{}"})

        assert await RedisTraces(redis).erase(ANN) == 7

        assert sorted(await redis.keys("*7*")) == [
            b"avatar:lease:77", b"avatar:lock:77", b"idem:77:a", b"idem:77:b", b"rtc:77", b"sessionid:77",
        ]  # read as a table # fmt: skip
        assert await redis.hkeys("avatar:user_mappings") == [b"77"]
        assert await RedisTraces(redis).erase(ANN) == 0

    async def test_empties_the_mailbox_of_what_came_before(self, redis: Redis) -> None:
        mailbox = RedisMailbox(redis)
        for to, at in ((ANN.email, -1), (ANN.email, 1), ("ben@example.org", -1)):
            await mailbox.deliver(Mail(to, "Code", "123456", START + timedelta(seconds=at)))
        assert await RedisTraces(redis).erase(ANN) == 1
        left = {(mail.to, mail.created_at > START) for mail in await mailbox.recent()}
        assert left == {(ANN.email, True), ("ben@example.org", False)}

    async def test_empties_the_mailbox_of_what_names_him_to_others(self, redis: Redis) -> None:
        mailbox = RedisMailbox(redis)
        for who in (ANN.email, f"jo{ANN.email}"):
            await mailbox.deliver(tutor_request_mail("root@example.org", who, "I teach.", START))
        assert await RedisTraces(redis).erase(ANN) == 1
        (left,) = await mailbox.recent()
        assert f"jo{ANN.email}" in left.text

    async def test_says_when_it_is_away(self, no_redis: Redis) -> None:
        with pytest.raises(StorageUnavailable):
            await RedisTraces(no_redis).erase(ANN)


class TestIndex:
    async def indexed(self, store: SqlStore, words: list[str], email: str = "ann@example.org") -> UserId:
        async with store.work() as w:
            user = a_user(email)
            w.users.add(user)
            await w.commit()
        for word in words:
            file = await store.keep(a_file(user.id, f"{word}.txt"))
            passage = a_passage(file, f"the {word} is here", user.id)
            await store.new_passages().replace(file, [(passage, Vector(b"\0" * 4))], "model")
        return user.id

    @pytest.mark.parametrize("many", [1, 40])
    async def test_forgets_the_words_of_what_is_gone(self, sqlite_store: SqlStore, many: int) -> None:
        await sqlite_store.clear()
        words = [f"kanarienvogl{n}x" for n in range(many)]
        user = await self.indexed(sqlite_store, words)
        traces = SqlIndexTraces(sqlite_store.sessions, sqlite_store.full_text)
        departed = Departed(user, ANN.email, START)
        with pytest.raises(StillThere):
            await traces.erase(departed)
        async with sqlite_store.work() as w:
            for file in await w.files.personal_of(user):
                await w.files.remove(file.id)
            await w.commit()
        assert b"kanarienvogl" in await self.raw(sqlite_store)

        assert await traces.erase(departed) == 0

        assert b"kanarienvogl" not in await self.raw(sqlite_store)

    async def test_leaves_no_word_in_the_files_of_the_database(self, tmp_path: Path) -> None:
        url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
        await asyncio.to_thread(migrated, url)
        async with sql_store(url) as store:
            user = await self.indexed(store, [f"kanarienvogl{n}x" for n in range(40)])
            async with store.work() as w:
                for file in await w.files.personal_of(user):
                    await w.files.remove(file.id)
                await w.commit()
            assert b"kanarienvogl" in await asyncio.to_thread(bytes_in, tmp_path)
            await store.full_text.sweep()
            assert b"kanarienvogl" not in await asyncio.to_thread(bytes_in, tmp_path)

    async def test_is_asked_again_when_somebody_reads_all_the_time(self, sqlite_store: SqlStore) -> None:
        await sqlite_store.clear()
        with closing(sqlite3.connect(str(sqlite_store.engine.url.database), isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM passage").fetchone()
            await self.indexed(sqlite_store, ["word"])
            with pytest.raises(StorageBusy):
                await sqlite_store.full_text.sweep()
        await sqlite_store.full_text.sweep()

    async def test_has_nothing_to_do_on_postgresql(self, postgresql_store: SqlStore) -> None:
        await postgresql_store.clear()
        traces = SqlIndexTraces(postgresql_store.sessions, postgresql_store.full_text)
        assert await traces.erase(ANN) == 0

    async def raw(self, store: SqlStore) -> bytes:
        rows = await store.rows("SELECT block FROM passage_fts_data")
        return b"".join(row[0] for row in rows)
