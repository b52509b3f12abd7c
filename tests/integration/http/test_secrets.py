"""A whole journey, read back from the logs (OB-1, OB-2): no secret and no chat text in them."""

import json
import logging
from pathlib import Path

import pytest

from tests.integration.house import PASSWORD, House
from tests.integration.http.listening import listening

QUESTION, TITLE = "xylophone-question-4711", "zeppelin-title-0815"


def written(caplog: pytest.LogCaptureFixture) -> str:
    """Every log record with everything it carries."""
    return "\n".join(f"{record.getMessage()} {record.exc_text} {vars(record)}" for record in caplog.records)


async def test_logs_hold_no_secrets(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
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

    logs = written(caplog) + "".join(capfd.readouterr())
    assert "request" in logs
    jwt_secret = house.settings.jwt_secret_key
    secrets = [
        PASSWORD,
        "a-wrong-secret",
        "broken-secret",
        ann.token,
        ann.token.split(".")[2],
        jwt_secret,
        house.settings.secret_key,
    ]
    texts = [QUESTION, TITLE, "quokka", told.text[:40], "Bearer "]
    for secret in (*secrets, *texts):
        assert secret not in logs, secret
    assert f'"{code}"' not in logs
    assert f" {code}" not in logs


async def test_each_request_is_one_line_that_can_be_found_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await house.client.get("/api/nope\u2028%0d%0aforged", headers={"X-Request-Id": "find-me-again"})

    assert answer.status_code == 404
    (record,) = [r for r in caplog.records if getattr(r, "request_id", "") == "find-me-again"]
    assert (record.status, record.method) == (404, "GET")  # type: ignore[attr-defined]
    assert "\n" not in json.dumps(vars(record), default=str)
