"""Run background jobs (indexing, mail, erasure) in a process of its own, with JOB_WORKER=external at the
server.

On the server's machine it joins the embedded parts of the running server; elsewhere DATABASE_URL and
REDIS_URL must name shared servers. As many workers as needed may run at once.

examples:
  JOB_WORKER=external virtual-tutor serve      (first terminal)
  virtual-tutor worker                         (second terminal; Ctrl-C ends it)
"""

import argparse
import asyncio
import signal

from entrypoints.cli.console import say, settings_with_warnings
from entrypoints.runtime import resolve
from entrypoints.settings import Settings

SUMMARY = "run background jobs in a process of its own"


def configure(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:
    settings = resolve(settings_with_warnings())
    say("Working. Ctrl-C stops; a job that is cut off is taken over by the next worker.")
    asyncio.run(_work(settings))
    return 0


async def _work(settings: Settings) -> None:
    from entrypoints.worker import run_worker  # the whole application behind it; --help does not need it

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_worker(settings, stop)
