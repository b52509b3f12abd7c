"""Speech models in a file that an operator wrote."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec
from typing_extensions import override

from application.ports.voices import Voices, VoicesMissing, VoicesUnreadable
from domain.catalogue import RESERVED, Voice

LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileVoices(Voices):
    """Read anew each time, so that editing it needs no restart."""

    file: Path

    @override
    async def all(self) -> dict[str, Voice]:
        try:
            content = await asyncio.to_thread(self._read)
            voices = msgspec.json.decode(content, type=dict[str, Voice])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise VoicesMissing from error
        except (OSError, ValueError, RecursionError) as error:
            raise VoicesUnreadable from error
        return {key: voice for key, voice in voices.items() if key != RESERVED}

    def _read(self) -> bytes:
        with self.file.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError("oversized")
        return content
