"""The embedded language model: an OpenAI-compatible server on the loopback interface, in a process of its
own.

`python -m entrypoints.children.model_server --model FILE --port N --threads T`, with the key that callers
must show in VIRTUAL_TUTOR_MODEL_KEY. It ends with its parent.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import NoReturn

from adapters.processes.tether import ask_for_sigterm_at_death_of

KEY = "VIRTUAL_TUTOR_MODEL_KEY"
KEY_MIN = 16
SLOTS = 2  # answers at the same time; further ones wait
CONTEXT = 8192  # tokens, shared by the slots
CACHE_MIB = 128  # for prompts seen before; the runtime's own default is 8 GiB
WATCH = 1.0  # seconds between two looks at the parent


def main(arguments: Sequence[str] | None = None) -> int:
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="model_server")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", default="embedded")
    given = parser.parse_args(arguments)
    key = os.environ.pop(KEY, "")
    if len(key) < KEY_MIN:
        print(f"{KEY} must hold a key of at least {KEY_MIN} characters", file=sys.stderr)  # noqa: T201
        return 2
    if not given.model.is_file():
        print(f"no model file at {given.model}", file=sys.stderr)  # noqa: T201
        return 2
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ask_for_sigterm_at_death_of(parent)
    serving = _serve(given.model, given.port, max(1, given.threads), given.name, key)
    while not stop.wait(WATCH):
        if os.getppid() != parent:  # where the kernel does not tell us
            break
    # No orderly end: dropping the server waits for ever while it generates.
    _leave(serving)


def _leave(_kept_until_now: object) -> NoReturn:
    os._exit(0)


def _serve(model: Path, port: int, threads: int, name: str, key: str) -> object:
    # Waiting threads would spin otherwise, and beside any other busy process collapse to a tenth of their
    # speed.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["GOMP_SPINCOUNT"] = "0"
    import xllamacpp  # reads the two when it is loaded

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [key]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.n_ctx = CONTEXT
    params.n_parallel = SLOTS
    params.kv_unified = True
    params.cache_ram_mib = CACHE_MIB
    params.verbosity = -1
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())
