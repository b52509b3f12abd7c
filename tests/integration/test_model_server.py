"""The embedded model, as a real process."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from entrypoints.children import model_server
from entrypoints.children.weights import bundled_model
from tests.free_port import free_port

KEY = "k" * 32
QUESTION = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "max_tokens": 8}
SOURCE = str(Path(model_server.__file__).parents[2])


@dataclass
class Running:
    process: Process
    client: httpx.AsyncClient


async def started(port: int, key: str = KEY, model: Path | None = None) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.children.model_server"),
        *("--model", str(model or bundled_model()), "--port", str(port), "--threads", "1"),
        env={**os.environ, "PYTHONPATH": SOURCE, model_server.KEY: key},
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def serving() -> AsyncIterator[Running]:
    port = free_port()
    process = await started(port)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await answering(client)
            yield Running(process, client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answering(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await client.get("/health")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_it_answers_whoever_has_the_key_and_ends_when_asked() -> None:
    async with serving() as running:
        refused = await running.client.post("/v1/chat/completions", json=QUESTION)
        assert (await running.client.get("/")).status_code == 404  # no page of its own
        wrong = {"Authorization": f"Bearer {'x' * 32}"}
        assert refused.status_code == 401
        for path in ("/v1/chat/completions", "/completion", "/tokenize", "/props", "/v1/models"):
            assert (await running.client.post(path, json=QUESTION, headers=wrong)).status_code == 401

        running.client.headers["Authorization"] = f"Bearer {KEY}"
        pieces = []
        body = {**QUESTION, "stream": True}
        async with running.client.stream("POST", "/v1/chat/completions", json=body) as got:
            assert got.headers["content-type"].startswith("text/event-stream")
            pieces = [line async for line in got.aiter_lines() if line]
        assert pieces[-1] == "data: [DONE]"
        said = "".join(
            json.loads(piece[6:])["choices"][0]["delta"].get("content") or "" for piece in pieces[:-1]
        )
        assert said.strip()
        start = time.monotonic()
        running.process.terminate()
        assert await running.process.wait() == 0
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("key", ["", "short"])
async def test_without_a_proper_key_it_does_not_start(key: str) -> None:
    process = await started(free_port(), key)

    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert b"VIRTUAL_TUTOR_MODEL_KEY" in complaint


async def test_without_a_model_it_does_not_start(tmp_path: Path) -> None:
    process = await started(free_port(), model=tmp_path / "none.gguf")

    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert b"no model file" in complaint


async def test_it_leaves_with_its_parent() -> None:
    port = free_port()
    script = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-m', 'entrypoints.children.model_server', '--threads', '1',"
        f" '--model', sys.argv[1], '--port', '{port}'])\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(bundled_model())),
        env={**os.environ, "PYTHONPATH": SOURCE, model_server.KEY: KEY},
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        await answering(client)

        parent.kill()
        await parent.wait()

        async with asyncio.timeout(10):
            while await reachable(client):  # noqa: ASYNC110 (another process's life)
                await asyncio.sleep(0.05)


async def reachable(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/health")
    except httpx.TransportError:
        return False
    return True
