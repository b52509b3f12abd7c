"""A real S3-compatible server (moto's) in a process of its own."""

import subprocess
import sys
import time
import urllib.request
from typing import Self

from tests.free_port import free_port

ACCESS_KEY_ID, SECRET_ACCESS_KEY = "key-of-the-tests", "secret-of-the-tests"


class S3Server:
    """Keeps everything in memory, and goes with the context."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait_for_it()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def _wait_for_it(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
