"""The commands beside `serve`, as processes of their own that join the running server."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.house import PASSWORD
from tests.integration.served import NO_AVATARS, Served, served
from tests.servers.llm_service import LlmServiceServer

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "networks.txt"


def environment(folder: Path, **more: str) -> dict[str, str]:
    own = {"PATH": "/usr/bin:/bin", "ENV_FILE": os.devnull, "DATA_DIR": str(folder / "data")}
    return {**own, **more}


def command(
    folder: Path, *arguments: str, given: str = "", **more: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", *arguments],
        env=environment(folder, **more),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def working(folder: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`virtual-tutor worker`, ended politely."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.cli", "worker"], env=environment(folder, **more)
    )
    try:
        yield worker
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
    finally:
        worker.kill()
        worker.wait()


async def rag_status(one: Served, headers: dict[str, str]) -> str:
    files = (await one.house.client.get("/api/user_files", headers=headers)).json()["files"]
    return str(files[0]["rag_status"])


async def test_jobs_wait_for_an_external_worker(tmp_path: Path) -> None:
    async with (
        LlmServiceServer() as llm,
        served(
            tmp_path, LLM_URL=llm.url, JOB_WORKER="external", RAG_INDEX_WAIT_SECONDS="0", **NO_AVATARS
        ) as one,
    ):
        ann = await one.house.user()
        with SAMPLE.open("rb") as file:
            await ann.post("/api/chat/upload", files={"file": ("networks.txt", file)})
        await asyncio.sleep(0.5)
        assert await rag_status(one, ann.headers) == "pending"

        with working(tmp_path, LLM_URL=llm.url):
            for _ in range(200):
                if await rag_status(one, ann.headers) == "indexed":
                    break
                await asyncio.sleep(0.1)
            assert await rag_status(one, ann.headers) == "indexed"


def test_a_worker_needs_the_parts_of_a_running_server(tmp_path: Path) -> None:
    refused = command(tmp_path, "worker")

    assert refused.returncode == 1
    assert "start `virtual-tutor serve` first" in refused.stderr


async def test_the_first_admin_is_made_before_the_first_start_and_can_log_in(tmp_path: Path) -> None:
    made = command(tmp_path, "create-admin", "Head@School.org", "--password-stdin", given=f"{PASSWORD}\n")
    again = command(tmp_path, "create-admin", "head@school.org", "--password-stdin", given=f"{PASSWORD}\n")
    weak = command(tmp_path, "create-admin", "two@school.org", "--password-stdin", given="123456\n")
    tutor = command(
        tmp_path,
        "create-admin",
        "tim@school.org",
        "--role",
        "tutor",
        "--password-stdin",
        given=f"{PASSWORD}\n",
    )
    student = command(tmp_path, "create-admin", "ann@school.org", "--role", "student", "--password-stdin")
    assert (made.returncode, again.returncode, weak.returncode) == (0, 1, 1)
    assert (tutor.returncode, student.returncode) == (0, 2)
    assert again.stderr.strip() == "User already exists"
    assert weak.stderr.strip() == "Password must be between 8 and 128 characters"

    async with LlmServiceServer() as llm, served(tmp_path, LLM_URL=llm.url, **NO_AVATARS) as one:
        head = await one.house.login("head@school.org")

        detailed = await head.get("/api/health/detailed")
        assert "checks" in detailed.json()  # only admins see them
        assert (await head.get("/api/user/profile")).json()["role"] == "admin"
        tim = await one.house.login("tim@school.org")
        assert (await tim.get("/api/user/profile")).json()["role"] == "tutor"


def test_the_check_of_migrations_tells_and_changes_nothing(tmp_path: Path) -> None:
    before = command(tmp_path, "migrate", "--check")
    assert (before.returncode, (tmp_path / "data" / "app.db").exists()) == (1, False)

    assert command(tmp_path, "migrate").returncode == 0
    assert command(tmp_path, "migrate", "--check").returncode == 0


def test_mistakes_in_the_settings_are_told_by_every_command(tmp_path: Path) -> None:
    for name in ("serve", "worker", "doctor", "settings", "migrate"):
        refused = command(tmp_path, name, PORT="none", WORKERS="0")
        assert refused.returncode == 2
        assert refused.stderr.splitlines() == [
            "The settings are not right:",
            "  - PORT must be a whole number from 1 to 65535, not 'none'",
            "  - WORKERS must be a whole number from 1 to 256, not '0'",
        ]


def test_settings_shows_where_values_come_from(tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text("PORT=8203\nREDIS_URL=redis://:hidden@cache\n")

    shown = command(tmp_path, "settings", "--changed", ENV_FILE=str(tmp_path / "my.env"), WORKERS="1")

    lines = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines() if line.startswith("  ")}
    assert lines["PORT"] == ["8203", ".env"]
    assert lines["WORKERS"] == ["1", "environment"]
    assert lines["REDIS_URL"] == ["redis://:***@cache", ".env"]
    assert lines["SECRET_KEY"] == ["(hidden)", "generated"]
