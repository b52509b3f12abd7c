"""Look at every configured part from here: data folder, port, database, Redis, model, documents, uploads,
scanner, avatars, mail. Says what is wrong and how to mend it; exit status 1 when something is broken. Changes
nothing.

examples:
  virtual-tutor doctor                   while the server runs it also looks into the embedded parts
  ENVIRONMENT=production virtual-tutor doctor        before the first start of an installation
"""

import argparse
import asyncio

from entrypoints.cli.console import GREEN, RED, YELLOW, say, settings_with_warnings, styled

SUMMARY = "check every configured part and say how to mend what is broken"


def configure(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:
    from entrypoints.cli.checkup import Verdict, examine  # every driver there is; --help does not need them

    marks = {
        Verdict.WELL: styled("ok     ", GREEN),
        Verdict.DOUBTFUL: styled("warning", YELLOW),
        Verdict.BROKEN: styled("BROKEN ", RED),
    }
    findings = asyncio.run(examine(settings_with_warnings()))
    for finding in findings:
        say(f"{marks[finding.verdict]}  {finding.part:<12} {finding.what}")
        if finding.remedy:
            say(f"{'':<23}→ {finding.remedy}")
    broken = sum(finding.verdict is Verdict.BROKEN for finding in findings)
    say(
        "", f"{broken} of {len(findings)} parts are broken." if broken else "Everything that is needed works."
    )
    return 1 if broken else 0
