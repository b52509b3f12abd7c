"""What the README tells people to paste works when pasted."""

import asyncio
import re
import subprocess
from pathlib import Path

from tests.integration.served import served

ROOT = Path(__file__).parents[2]


def transcript() -> str:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Use it from the shell")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return block[1]


async def test_the_curl_transcript(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        script = transcript().replace("http://127.0.0.1:8000", one.house.url)
        ran = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-eu", "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert ran.returncode == 0, ran.stderr
    assert "Registration successful" in ran.stdout
    assert '"rag_indexed"' not in ran.stderr
    stream = ran.stdout.partition('"status":"sources"')[2]
    assert '"page":5' in stream
    assert "10,935" in stream
    assert '"status":"complete"' in stream
    assert ran.stdout.rstrip().endswith('{"msg":"Logged out successfully."}')
