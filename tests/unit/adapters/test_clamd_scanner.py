"""ClamAV's protocol against a stand-in that speaks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.clamd.scanner import ClamdScanner
from application.ports.scanner import FileInfected, ScannerUnavailable
from tests.free_port import free_port
from tests.servers.clamd import EICAR, ClamdServer


@pytest.fixture
async def clamd() -> AsyncIterator[ClamdServer]:
    async with ClamdServer(limit=1_000_000) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.txt"


def scanner_at(port: int, verdict_s: float = 5.0) -> ClamdScanner:
    return ClamdScanner(("127.0.0.1", port), connect_s=5.0, verdict_s=verdict_s)


async def test_a_clean_file_passes_and_was_seen_whole(clamd: ClamdServer, file: Path) -> None:
    content = bytes(range(256)) * 2000
    file.write_bytes(content)

    await scanner_at(clamd.port).scan(file)

    assert clamd.scanned == [content]


async def test_a_virus_is_found(clamd: ClamdServer, file: Path) -> None:
    file.write_bytes(b"notes " * 50_000 + EICAR)

    with pytest.raises(FileInfected):
        await scanner_at(clamd.port).scan(file)


async def test_what_it_does_not_want_to_see_gets_no_verdict(clamd: ClamdServer, file: Path) -> None:
    file.write_bytes(bytes(3_000_000))

    with pytest.raises(ScannerUnavailable):
        await scanner_at(clamd.port).scan(file)


async def test_hanging_up_is_no_verdict(clamd: ClamdServer, file: Path) -> None:
    file.write_bytes(b"notes")
    clamd.dumb = True

    with pytest.raises(ScannerUnavailable):
        await scanner_at(clamd.port).scan(file)


async def test_silence_is_no_verdict(clamd: ClamdServer, file: Path) -> None:
    file.write_bytes(b"notes")
    clamd.silent = True

    with pytest.raises(ScannerUnavailable):
        await scanner_at(clamd.port, verdict_s=0.2).scan(file)


async def test_whether_it_is_there_is_known(clamd: ClamdServer) -> None:
    await scanner_at(clamd.port).check()

    with pytest.raises(ScannerUnavailable):
        await scanner_at(free_port()).check()


async def test_while_it_is_down_there_is_no_verdict(file: Path) -> None:
    file.write_bytes(b"notes")

    with pytest.raises(ScannerUnavailable):
        await scanner_at(free_port()).scan(file)
