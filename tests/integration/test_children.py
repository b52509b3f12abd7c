"""Children that cannot be orphaned, with real processes."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from adapters.processes import valkey
from adapters.processes.child import TETHER, Child, Program
from adapters.processes.lock import DataFolderBusy, exclusive
from adapters.processes.ports import free_port, is_free
from adapters.processes.supervision import Kept
from tests.integration.served import is_alive

STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(['/bin/sleep', '60'])
print('up', flush=True)
time.sleep(60)
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
# a parent that starts one child through the tether, tells its pid, and waits to be killed
PARENT = """
import sys, time
from adapters.processes.child import Child, Program
child = Child.start(Program(name="it", argv=tuple(sys.argv[1:]), environment={}))
print(child.pid, flush=True)
time.sleep(60)
"""
# a parent that starts a child which others need, and leaves
OUTLIVED = """
import sys
from pathlib import Path
from adapters.processes.child import Child, Program
pipe, log = int(sys.argv[1]), Path(sys.argv[2])
program = Program(name="it", argv=("/bin/sleep", "60"), environment={}, log=log, outlives=pipe)
print(Child.start(program).pid)
"""


def until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def sleeper(seconds: int = 60) -> tuple[str, ...]:
    return ("/bin/sleep", str(seconds))


def program(*argv: str, log: Path | None = None) -> Program:
    return Program(name="The program", argv=argv, environment=ENVIRONMENT, log=log)


@pytest.fixture
def started() -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.kill()


def test_a_child_dies_when_its_parent_is_killed_hard() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *sleeper()], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert is_alive(child)

        parent.kill()
        parent.wait()

        assert until(lambda: not is_alive(child), 2)


def test_a_child_whose_parent_died_before_it_could_be_tied_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    done = subprocess.run([sys.executable, "-I", "-S", str(TETHER), "1", "--", "/usr/bin/touch", str(mark)])

    assert done.returncode == -signal.SIGTERM
    assert not mark.exists()


def test_a_stubborn_child_is_killed_with_everything_it_started(tmp_path: Path, started: list[Child]) -> None:
    log = tmp_path / "log"
    child = Child.start(program(sys.executable, "-c", STUBBORN, log=log))
    started.append(child)
    assert until(lambda: log.read_text() == "up\n")

    began = time.monotonic()
    child.stop(grace=0.3)

    assert time.monotonic() - began < 2
    assert child.exit_code == -signal.SIGKILL
    assert until(lambda: not _session_members(child.pid), 2)


def test_what_others_need_ends_after_them(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    # the parent that asked for it is gone at once; we hold the pipe's other end
    done = subprocess.run(
        [sys.executable, "-c", OUTLIVED, str(reader), str(tmp_path / "log")],
        pass_fds=(reader,),
        capture_output=True,
        check=True,
    )
    keeper = int(done.stdout)
    os.close(reader)

    assert not until(lambda: not is_alive(keeper), 0.8)
    os.close(writer)
    assert until(lambda: not _session_members(keeper), 2)


def test_the_program_dies_with_its_keeper(started: list[Child]) -> None:
    reader, writer = os.pipe()
    child = Child.start(Program(name="it", argv=sleeper(), environment=ENVIRONMENT, outlives=reader))
    started.append(child)
    assert until(lambda: len(_session_members(child.pid)) == 2)

    os.kill(child.pid, signal.SIGKILL)

    assert until(lambda: not _session_members(child.pid), 2)
    os.close(reader)
    os.close(writer)


def test_a_dead_child_is_started_again_and_a_dying_one_ever_more_slowly(tmp_path: Path) -> None:
    told: list[str] = []
    kept = Kept(program("/bin/false"), answers=lambda: False, said=told.append)

    began = time.monotonic()
    while len(told) < 3:
        kept.tend()
        time.sleep(0.005)
    kept.stop(1)

    assert 0.7 < time.monotonic() - began < 5
    assert told == ["The program ended with 1; starting it again"] * 3


def test_a_log_is_private_and_does_not_grow_for_ever(tmp_path: Path, started: list[Child]) -> None:
    log = tmp_path / "logs" / "it.log"
    for _ in range(2):
        started.append(Child.start(program("/bin/echo", "hello", log=log)))
        started[-1].process.wait(10)
    assert (log.read_text(), started[-1].last_words()) == ("hello\nhello\n", "hello\nhello")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    log.write_bytes(b"x" * (6 * 1024 * 1024))
    started.append(Child.start(program("/bin/echo", "hello", log=log)))
    assert until(lambda: log.read_text() == "hello\n")


def test_the_embedded_redis_keeps_its_data_and_its_socket_private(tmp_path: Path) -> None:
    folder = valkey.socket_folder(tmp_path)
    embedded = valkey.valkey_program(
        folder, tmp_path / "data", log=tmp_path / "valkey.log", environment=ENVIRONMENT
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for value in (None, b"kept"):
        child = Child.start(embedded)
        assert until(lambda: valkey.answers_ping(folder))
        assert stat.S_IMODE((folder / valkey.SOCKET).stat().st_mode) == 0o700
        with Redis.from_url(valkey.redis_url(folder)) as client:
            assert client.get("one") == value
            client.set("one", "kept")
        child.stop(5)
        assert child.exit_code == 0
        assert not valkey.answers_ping(folder)


def test_socket_folders_of_dead_servers_are_removed_and_others_left_alone(tmp_path: Path) -> None:
    ours, dead, foreign = valkey.socket_folder(tmp_path), valkey.socket_folder(tmp_path), tmp_path / "other"
    foreign.mkdir()
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    (dead / valkey.OWNER).write_text(str(gone.pid))

    valkey.socket_folder(tmp_path)

    assert (ours.exists(), dead.exists(), foreign.exists()) == (True, False, True)


def test_the_lock_is_free_only_when_the_children_have_ended(tmp_path: Path, started: list[Child]) -> None:
    file = tmp_path / "lock"
    with exclusive(file, patience=0) as lock:
        started.append(
            Child.start(Program(name="it", argv=sleeper(), environment=ENVIRONMENT, keeps=(lock,)))
        )
    with pytest.raises(DataFolderBusy), exclusive(file, patience=0.2):
        pass

    started[0].kill()

    with exclusive(file, patience=2):
        pass


def test_a_port_is_free_until_somebody_listens() -> None:
    port = free_port()
    assert is_free("127.0.0.1", port)
    listener = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)",
        ]
    )
    try:
        assert until(lambda: not is_free("127.0.0.1", port))
    finally:
        listener.kill()
        listener.wait()
    assert not is_free("no.such.host.invalid", port)


def _session_members(session: int) -> list[int]:
    members = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                members.append(int(folder.name))
    return members
