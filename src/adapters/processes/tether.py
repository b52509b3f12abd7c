"""Starts a program that cannot outlive us: `python tether.py [--hard | --outlive FD] PARENT -- PROGRAM …`.

Run as a file and with the standard library alone, so that it costs a few milliseconds. PARENT is the process
the program belongs to: on Linux the kernel sends SIGTERM when that process dies, however it dies; with
`--hard` SIGKILL, for a program that keeps nothing and may be too busy to listen. A program with `--outlive`
stays until nobody holds the other end of the pipe FD any more, for it serves those who do.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
GRACE = 5.0  # seconds a program has between SIGTERM and SIGKILL
TICK = 0.5


def ask_for_sigterm_at_death_of(parent: int) -> bool:
    """Have the kernel tell this process when its parent is gone; False when that is not possible here. What
    whoever started us has asked for already stays."""
    return _ask_for(signal.SIGTERM, parent)


def _ask_for(number: signal.Signals, parent: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    prctl, asked = ctypes.CDLL(None, use_errno=True).prctl, ctypes.c_int()
    if prctl(PR_GET_PDEATHSIG, ctypes.byref(asked)) == 0 and asked.value:
        number = signal.Signals(asked.value)
    elif prctl(PR_SET_PDEATHSIG, number) != 0:
        return False
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), number)
    return True


def main(arguments: list[str]) -> int:
    options, program = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    parent = int(options[-1])
    outlive = int(options[1]) if options[0] == "--outlive" else None
    number = signal.SIGKILL if options[0] == "--hard" else signal.SIGTERM
    if outlive is None and _ask_for(number, parent):
        os.execvp(program[0], program)  # noqa: S606 (the program our own process asked for)
    return _stay_beside(program, parent, outlive)


def _stay_beside(program: list[str], parent: int, outlive: int | None) -> int:
    wake_up, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(1))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = _fork(program)
    deadline = 0.0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) & 0xFF
        now = _clock()
        if stopping and not deadline:
            deadline = now + GRACE
            os.kill(child, signal.SIGTERM)
        elif deadline and now > deadline:
            os.kill(child, signal.SIGKILL)
        watched = [wake_up] if outlive is None or stopping else [wake_up, outlive]
        readable, _, _ = select.select(watched, [], [], TICK)
        if wake_up in readable:
            os.read(wake_up, 64)
        if outlive in readable or (outlive is None and os.getppid() != parent):
            stopping.append(1)


def _fork(program: list[str]) -> int:
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(BaseException):
            ask_for_sigterm_at_death_of(keeper)
            os.execvp(program[0], program)  # noqa: S606 (the program our own process asked for)
        os._exit(127)
    return child


def _clock() -> float:
    return os.times().elapsed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
