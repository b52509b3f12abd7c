"""A child process that dies with us: started through the tether, in a session of its own, with a log."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

TETHER = Path(__file__).with_name("tether.py")
LOG_LIMIT = 5 * 1024 * 1024
POLL = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. `keeps` are open files that live as long as the program. `outlives` is a pipe: while
    anybody holds its other end, the program does not end with us. `hard`: nothing is lost if it is killed
    when we die."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | None = None  # None: where our own output goes
    keeps: tuple[int, ...] = ()
    outlives: int | None = None
    hard: bool = False
    gated: bool = False  # waits for a line on its standard input before it serves


@dataclass(eq=False, slots=True)
class Child:
    """One run of a program. Only the main thread may start one: the kernel ties the child to that thread."""

    program: Program
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, program: Program) -> "Child":
        options: tuple[str, ...] = ("--hard",) if program.hard else ()
        if program.outlives is not None:
            options = ("--outlive", str(program.outlives))
        keeps = program.keeps if program.outlives is None else (*program.keeps, program.outlives)
        with _opened(program.log) as out:
            process = subprocess.Popen(  # noqa: S603 (programs of our own making)
                [sys.executable, "-I", "-S", str(TETHER), *options, str(os.getpid()), "--", *program.argv],
                stdin=subprocess.PIPE if program.gated else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if out else None,
                env=dict(program.environment),
                pass_fds=keeps,
                start_new_session=True,
            )
        return cls(program, process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    @property
    def is_over(self) -> bool:
        """Whether it has ended and everything it started as well."""
        if self.exit_code is None:
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):  # nobody, or somebody else's by now
            return True
        return False

    def has_started(self, pid: int) -> bool:
        """Whether that is a living process of those it started and their like."""
        try:
            return os.getpgid(pid) == self.pid
        except ProcessLookupError:
            return False

    def open_gate(self) -> None:
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.write(b"go\n")
                self.process.stdin.flush()

    def ask_to_stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self._close_gate()

    def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL to whatever is left of it and its own children after the grace period."""
        self.ask_to_stop()
        deadline = time.monotonic() + grace
        while not self.is_over and time.monotonic() < deadline:
            time.sleep(POLL)
        self.kill()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        if self.program.log is None or not self.program.log.is_file():
            return ""
        with self.program.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])

    def _close_gate(self) -> None:
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()


def _opened(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """The log to append to, readable by us alone; a large one from earlier is put aside first."""
    if log is None:
        return nullcontext()
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.is_file() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
