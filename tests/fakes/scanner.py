"""A scanner that knows one virus."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from application.ports.scanner import FileInfected, Scanner

VIRUS = b"EICAR"


@dataclass(eq=False)
class FakeScanner(Scanner):
    seen: list[bytes] = field(default_factory=list)

    @override
    async def scan(self, file: Path) -> None:
        content = await asyncio.to_thread(file.read_bytes)
        self.seen.append(content)
        if VIRUS in content:
            raise FileInfected
