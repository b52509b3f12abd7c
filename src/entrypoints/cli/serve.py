"""Start everything this machine is to run: the web server and, as far as they are set to `embedded`, the
Redis, the model server and the avatars. Prints where to open it. Ctrl-C or SIGTERM stops everything; answers
that are being given have DRAIN_SECONDS to finish.

examples:
  virtual-tutor serve
  PORT=8203 WORKERS=2 virtual-tutor serve
  virtual-tutor serve --verbose          show the server's log here instead of in DATA_DIR/logs
"""

import argparse
import os
import time

from adapters.processes.lock import DataFolderBusy, exclusive
from adapters.talking_head.looks import LOOKS
from entrypoints.children import weights
from entrypoints.cli.console import BOLD, complain, say, settings_with_warnings, styled
from entrypoints.cli.household import Household, StartFailed
from entrypoints.kept_secrets import private_folder
from entrypoints.runtime import Runtime, read_runtime
from entrypoints.setting_values import without_password
from entrypoints.settings import Settings

SUMMARY = "start the server and its embedded parts"
POLITE_WAIT = 2.0  # seconds, while another server is clearly running


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="show the server's log here")


def run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    settings = settings_with_warnings()
    try:
        private_folder(settings.data_dir)
        folder = private_folder(settings.data_dir / "run")
    except OSError as error:
        complain(f"DATA_DIR {settings.data_dir} cannot be used: {error.strerror}")
        return 1
    try:
        with exclusive(folder / "serve.lock", _patience(settings)) as lock:
            household = Household(settings, lock, verbose=arguments.verbose or settings.is_production)
            return household.run(lambda runtime: _announce(settings, runtime, time.monotonic() - began))
    except DataFolderBusy:
        complain(_who_holds(settings))
    except StartFailed as error:
        complain(str(error))
    return 1


def _patience(settings: Settings) -> float:
    """A server that is just ending may take its drain time; one that runs will not go away."""
    return POLITE_WAIT if read_runtime(settings.data_dir) else settings.drain_seconds + 5.0


def _who_holds(settings: Settings) -> str:
    runtime = read_runtime(settings.data_dir)
    who = f"pid {runtime.pid}, {runtime.address}" if runtime else "parts of an earlier one are still ending"
    return (
        f"Another server uses {settings.data_dir} ({who}).\n"
        "Stop it first, or give this one a DATA_DIR and a PORT of its own."
    )


def _announce(settings: Settings, runtime: Runtime, seconds: float) -> None:
    lines = [
        ("open", styled(runtime.address, BOLD)),
        ("answers", _who_answers(settings, runtime)),
        ("avatars", _who_talks(settings)),
    ]
    if settings.has_mailbox:
        lines.append(("mailbox", f"{runtime.address}/dev/mailbox (codes arrive here)"))
    lines += [
        ("data", f"{settings.data_dir} (logs in logs/)"),
        ("pid", f"{os.getpid()} (Ctrl-C stops everything)"),
    ]
    say(f"Virtual Tutor is ready after {seconds:.1f} s.", *(f"  {name:<8} {text}" for name, text in lines))


def _who_answers(settings: Settings, runtime: Runtime) -> str:
    if not settings.llm_is_embedded:
        return f"{settings.llm_model or 'the model'} at {without_password(settings.llm_url)}"
    if runtime.llm_url is None:
        return "no model: answers are quoted from the documents alone"
    if settings.llm_model_file:
        return f"{settings.llm_model_file.name}, on this machine"
    return f"{weights.NAME}, bundled: good for trying the system, not for teaching"


def _who_talks(settings: Settings) -> str:
    if not settings.avatars_are_embedded:
        return ", ".join(without_password(url) for url in settings.avatar_manager_url)
    return f"{', '.join(LOOKS)}: drawn on this machine, at most {settings.embedded_avatar_limit} at once"
