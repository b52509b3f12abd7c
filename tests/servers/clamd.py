"""A stand-in for ClamAV's daemon that speaks INSTREAM and knows one virus: the test file of all scanners."""

import asyncio
import struct

from typing_extensions import override

from tests.servers.listening import Listening

# put together here, so that no scanner takes this file for one
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class ClamdServer(Listening):
    """`limit`: what it takes at most. `dumb`: it hangs up instead of answering. `silent`: it only listens."""

    def __init__(self, limit: int = 25 * 1024 * 1024) -> None:
        super().__init__()
        self.limit = limit
        self.dumb = False
        self.silent = False
        self.scanned: list[bytes] = []

    @override
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zPING\0":
            writer.write(b"PONG\0")
            await writer.drain()
            return
        assert command == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!L", await reader.readexactly(4))[0]:
            content += await reader.readexactly(size)
            if len(content) > self.limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                await writer.drain()
                return
        if self.silent:
            await asyncio.Event().wait()
        if self.dumb:
            return
        self.scanned.append(content)
        writer.write(b"stream: Eicar-Signature FOUND\0" if EICAR in content else b"stream: OK\0")
        await writer.drain()
