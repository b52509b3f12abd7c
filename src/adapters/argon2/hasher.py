"""Argon2id off the event loop, a bounded number at a time."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError
from typing_extensions import override

from application.ports.credentials import PasswordHasher

MEMORY_KIB, PASSES, LANES = 19456, 2, 1  # OWASP's cheaper setting


T = TypeVar("T")


def share_of(workers: int) -> int:
    """How many hashes each of so many processes may compute at once, so that together they leave a core to
    everything else (at least one must be allowed to each)."""
    cores = getattr(os, "process_cpu_count", os.cpu_count)() or 1  # the former since Python 3.13
    return max(1, (cores - 1) // workers)


class Argon2Hasher(PasswordHasher):
    """`at_once` threads, so at most `at_once` × 19 MiB and as many cores are busy hashing."""

    def __init__(self, at_once: int, memory_kib: int = MEMORY_KIB) -> None:
        self._argon2 = Argon2(time_cost=PASSES, memory_cost=memory_kib, parallelism=LANES)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._nobody = self._argon2.hash("nobody has this password")

    @override
    async def hash(self, password: str) -> str:
        return await self._run(self._argon2.hash, password)

    @override
    async def verify(self, password: str, hash: str | None) -> bool:
        fits = await self._run(self._fits, hash or self._nobody, password)
        return fits and hash is not None

    @override
    def outdated(self, hash: str) -> bool:
        return self._argon2.check_needs_rehash(hash)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fits(self, hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, call: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
