"""A whole journey, read back from the logs (OB-1, OB-2): no secret and no chat text in them."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoints.logs import QUIET, configure_logging
from tests.integration.house import PASSWORD, House
from tests.integration.http.listening import listening

QUESTION, TITLE = "xylophone-question-4711", "zeppelin-title-0815"


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """What the process writes with LOG_LEVEL=DEBUG."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    configure_logging("DEBUG")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in quiet.items():
        logging.getLogger(name).setLevel(former)


def lines(logs: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.getvalue().split("\n") if line]


async def test_logs_hold_no_secrets(house: House, tmp_path: Path, logs: io.StringIO) -> None:
    await house.client.post("/api/login", json={"email": "ann@example.org", "password": "a-wrong-secret"})
    await house.register("ann@example.org")
    code = await house.code_for("ann@example.org")
    ann = await house.login("ann@example.org")
    notes = tmp_path / "notes.txt"
    notes.write_text("quokka-document-text in a sentence.", "utf-8")
    session = await ann.new_session(TITLE)
    await ann.upload(notes, session)
    told = await ann.ask(QUESTION, session)
    async with listening(ann, f"{QUESTION} [[end=error]]") as stream:
        await stream.chunks()
    await ann.post("/api/chat/stream", data={"message": f"{QUESTION} [[status=500]]"})
    await house.client.get("/api/chat/history", params={"token": ann.token})
    await house.client.post("/api/login", content=b'{"password": "broken-secret')
    await ann.messages(session)
    await ann.post("/api/logout")
    await ann.get("/api/chat/history")

    written = logs.getvalue()
    assert len([line for line in lines(logs) if line["event"] == "request"]) > 12
    house_keys = [house.settings.jwt_secret_key, house.settings.secret_key]
    secrets = [PASSWORD, "a-wrong-secret", "broken-secret", ann.token, ann.token.split(".")[2], *house_keys]
    for secret in (*secrets, QUESTION, TITLE, "quokka", told.text[:40], "Bearer "):
        assert secret not in written, secret
    numbers = {value for line in lines(logs) for value in line.values() if isinstance(value, str | int)}
    assert not {code, int(code)} & numbers


async def test_each_request_is_one_line_that_can_be_found_again(house: House, logs: io.StringIO) -> None:
    answer = await house.client.get(
        "/api/nope\u2028%0d%0a%1b[31mforged", headers={"X-Request-Id": "find-me-again"}
    )

    assert answer.status_code == 404
    (line,) = [line for line in lines(logs) if line.get("request_id") == "find-me-again"]
    assert (line["event"], line["status"], line["method"]) == ("request", 404, "GET")
    assert "\x1b" not in logs.getvalue()
