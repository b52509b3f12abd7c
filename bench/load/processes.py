"""Processes that are measured, and those that measure. Only what was started here is ever ended."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from machine import Cores, Urgency, bind, threads, tree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = HERE / "build"
PEERS = WORK / "peers"
START_S, END_S = 60.0, 8.0


class Unusable(Exception):
    """Something needed is not there; the message says what."""


def start(
    argv: Sequence[str],
    cores: Cores,
    urgency: Urgency,
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> "subprocess.Popen[bytes]":
    """In a session of its own. Without a log its output can be read from it."""
    out = log.open("ab") if log else subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT if log else None,
            env={**os.environ, **(env or {})},
            cwd=WORK,
            preexec_fn=lambda: bind(0, cores, urgency),
            start_new_session=True,
        )
    finally:
        if log:
            out.close()  # type: ignore[union-attr]  # an open file, then


def stop(process: "subprocess.Popen[bytes]") -> None:
    """It and whatever is left of its session's group."""
    if not _ends_on(signal.SIGTERM, process):
        _ends_on(signal.SIGKILL, process)


def _ends_on(number: signal.Signals, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + END_S
    try:
        os.killpg(process.pid, number)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        return True
    return False


def listens(port: int, within_s: float = 0.0) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)


def build() -> None:
    """The generators, and the virtual environment of the peers."""
    WORK.mkdir(exist_ok=True)
    for name in ("fakeup", "sseload"):
        made, source = WORK / name, HERE / f"{name}.c"
        if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            flags = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra"]
            subprocess.run(["gcc", *flags, "-o", made, source], check=True)
    wanted, have = HERE / "peers" / "requirements.txt", PEERS / "requirements.txt"
    if not have.exists() or have.read_text() != wanted.read_text():
        print("Installing the peers ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([PEERS / "bin" / "pip", "install", "-q", "-r", wanted], check=True)
        shutil.copy(wanted, have)


@dataclass(eq=False)
class Target:
    """A server to be measured, started anew for each measurement, pinned with all its children."""

    name: str
    url: str
    cmd: Sequence[str] = ()  # none: the generator itself
    env: Mapping[str, str] = field(default_factory=dict)
    template: str = "llm.http"
    fresh: str | None = None
    prepare: Sequence[str] = ()
    tokens: str | None = None
    most: int = 10_000  # streams it is tried with
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        if urlsplit(self.url).hostname != "127.0.0.1":
            raise Unusable(f"{self.name}: {self.url} is not on this machine")

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @property
    def roots(self) -> list[int]:
        return [self.process.pid] if self.process else []

    def missing(self) -> str | None:
        """What it lacks on this machine."""
        if not self.cmd:
            return None
        program = self._filled(self.cmd, 0)[0]
        return None if shutil.which(program) else f"{program or self.name} is not installed"

    def up(self, conns: int, cores: Cores, urgency: Urgency) -> None:
        """Raises Unusable."""
        if not self.cmd:
            return
        if listens(self.port):
            raise Unusable(f"{self.name}: something else listens on {self.port}")
        if self.fresh:
            shutil.rmtree(self._filled([self.fresh], conns)[0], ignore_errors=True)
        env = dict(zip(self.env, self._filled(list(self.env.values()), conns), strict=True))
        log = WORK / f"{self.name}.log"
        self.process = start(self._filled(self.cmd, conns), cores, urgency, env=env, log=log)
        if not listens(self.port, START_S):
            raise Unusable(f"{self.name} does not start, see {log}")
        if self.prepare:
            subprocess.run(self._filled(self.prepare, conns), env={**os.environ, **env}, check=True, cwd=WORK)
        for pid in tree(self.roots):
            for thread in threads(pid):
                bind(thread, cores, urgency)

    def down(self) -> None:
        if self.process:
            stop(self.process)
            self.process = None

    def token_file(self) -> str | None:
        return self._filled([self.tokens], 0)[0] if self.tokens else None

    def _filled(self, words: Sequence[str], conns: int) -> list[str]:
        places: dict[str, Any] = {
            "python": sys.executable,
            "nginx": shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "",
            "peers": PEERS / "bin",
            "here": HERE,
            "work": WORK,
            "root": ROOT,
            "conns": conns,
        }
        return [word.format(**places) for word in words]
