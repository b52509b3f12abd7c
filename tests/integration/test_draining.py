"""A server that is asked to stop lets answers end within its grace, also those that nobody reads."""

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.conftest import Valkey
from tests.integration.http.following import asking
from tests.integration.http.watching import watching
from tests.integration.served import NO_AVATARS, served
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

PIECES = [f"word{n} " for n in range(30)]


async def test_an_answer_that_nobody_reads_has_its_grace(
    tmp_path: Path, valkey: Valkey, redis: object, llm: LlmServiceServer
) -> None:
    llm.script = Script(pieces=PIECES, gap=0.1)
    try:
        environ = {"REDIS_URL": valkey.url, "LLM_URL": llm.url, "DRAIN_SECONDS": "10", **NO_AVATARS}
        async with served(tmp_path, **environ) as one:
            ann = await one.house.user("ann@example.org")
            async with asking(ann, "How?") as stream:
                message = (await stream.until(3)).told.message
            async with watching(ann) as watch:
                one.process.send_signal(signal.SIGTERM)
                await watch.to_the_end()  # who watches files is not waited for
            async with asyncio.timeout(20):
                await asyncio.to_thread(one.process.wait)
    finally:
        llm.script = Script()
    with closing(sqlite3.connect(tmp_path / "data" / "app.db")) as database:
        stored = database.execute("select state, content from message where id = ?", [message]).fetchone()
    assert stored == ("final", "".join(PIECES))
