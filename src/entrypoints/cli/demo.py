"""Drive the whole journey over HTTP, as a browser would: register with a code from the mailbox, log in,
upload a PDF, ask about it, read the streamed answers, look at what was kept, log out. Stops loudly, with
exit status 1 and what was expected, at the first thing that is not right.

examples:
  virtual-tutor demo                                     against the server that runs on this machine
  virtual-tutor demo --url https://tutor.school.org --code-command ./newest-code.sh
  virtual-tutor demo --pdf notes.pdf --questions questions.json

--code-command is run with the demo's e-mail address as its argument and prints the code it received. The
shape of a questions file is that of docs/samples/questions.json.
"""

import argparse
import subprocess
from pathlib import Path

from entrypoints.cli.console import BOLD, GREEN, RED, complain, say, styled
from entrypoints.cli.journey import Expectations, Journey, JourneyFailed, mailbox_code, read_expectations
from entrypoints.runtime import NotRunning, read_runtime
from entrypoints.settings import checkout, load_settings

SUMMARY = "drive the whole journey against a running server"
SAMPLE = "ocean-science.pdf"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the server; default: the one that runs on this machine")
    parser.add_argument("--pdf", type=Path, help=f"the document; default: docs/samples/{SAMPLE}")
    parser.add_argument("--questions", type=Path, help="what it can answer; default: beside the document")
    parser.add_argument("--code-command", help="prints the code mailed to its argument; default: the mailbox")
    parser.add_argument("--pronoun", action="store_true", help="refer to the document by a pronoun")


def run(arguments: argparse.Namespace) -> int:
    url = arguments.url or _running_server()
    try:
        expectations = _expectations(arguments.pdf, arguments.questions)
    except (OSError, ValueError, KeyError, IndexError) as error:
        complain(f"The document or its questions cannot be used: {error!r}")
        return 2
    code_command = arguments.code_command
    journey = Journey(
        url,
        expectations,
        fetch_code=(lambda email: _code_from(code_command, email)) if code_command else mailbox_code(url),
        pronoun=arguments.pronoun,
    )
    try:
        journey.travel()
    except JourneyFailed as error:
        say("", styled(f"FAILED  {error}", RED, BOLD))
        return 1
    say("", styled("Everything is as it should be.", GREEN, BOLD))
    return 0


def _running_server() -> str:
    runtime = read_runtime(load_settings().data_dir)
    if runtime is None:
        raise NotRunning("No server runs here: start `virtual-tutor serve` first, or give --url.")
    return runtime.address


def _expectations(pdf: Path | None, questions: Path | None) -> Expectations:
    root = checkout()
    if pdf is None:
        if root is None:
            raise FileNotFoundError("the sample document comes with the checkout: give --pdf and --questions")
        pdf = root / "docs" / "samples" / SAMPLE
    return read_expectations(pdf, questions or pdf.with_name("questions.json"))


def _code_from(command: str, email: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the user's own command)
            [command, email], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JourneyFailed(f"{command} gave no code: {error}") from error
    return done.stdout.strip()
