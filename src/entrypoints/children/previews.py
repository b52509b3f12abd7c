"""The pictures of our avatars, drawn by a process that lasts no longer than that: drawing needs libraries
which would double the size of the one that shows them."""

import asyncio
import base64
import binascii
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping

from adapters.avatar_manager.catalogue import NoPictures
from adapters.processes.child import TETHER
from adapters.talking_head.looks import LOOKS, preview

PATIENCE_S = 25.0
NICENESS = 10


async def drawn() -> Mapping[str, bytes]:
    """A PNG for each look. Raises NoPictures."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), "--"),
        *(sys.executable, "-P", "-m", "entrypoints.children.previews"),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
        return {name: base64.b64decode(text) for name, text in json.loads(output).items()}
    except (TimeoutError, ValueError, binascii.Error) as error:
        raise NoPictures("The picture cannot be drawn") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> int:
    os.nice(NICENESS)
    pictures = {name: base64.b64encode(preview(look)).decode() for name, look in LOOKS.items()}
    json.dump(pictures, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
