import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from application.files.check_incoming import AT_ONCE, CheckIncoming, Incoming
from application.files.no_scanner import NoScanner
from domain.document import FileKind
from tests.fakes.extraction import FakeExtractor
from tests.unit.files.desk import ANN, BEN, TEXT, TIM


@dataclass(eq=False)
class SlowExtractor(FakeExtractor):
    """Takes for ever with files that are called so."""

    at_it: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    async def check(self, file: Path, extension: str) -> None:
        if file.stem == "slow":
            self.at_it += 1
            await self.done.wait()
            self.at_it -= 1


async def test_users_with_slow_documents_do_not_hold_up_others(tmp_path: Path) -> None:
    slow, quick = (Incoming(name, tmp_path / name, len(TEXT)) for name in ("slow.pdf", "quick.pdf"))
    extractor = SlowExtractor()
    check = CheckIncoming(scanner=NoScanner(), extractor=extractor, max_mb=dict.fromkeys(FileKind, 1))
    theirs = [asyncio.create_task(check(user, slow)) for _ in range(AT_ONCE) for user in (ANN, TIM)]
    async with asyncio.timeout(5):
        while extractor.at_it < AT_ONCE - 1:  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0)

        assert (await check(BEN, quick)).name == "quick.pdf"

        assert extractor.at_it == AT_ONCE - 1
        extractor.done.set()
        assert {checked.name for checked in await asyncio.gather(*theirs)} == {"slow.pdf"}
