"""Check that the action log is what was written: every line is chained to the one before.

examples:
  virtual-tutor audit verify                 exit status 1 when a line was changed, removed or put in between
  virtual-tutor audit verify --head 3f9c…    also finds a cut-off end: the head that was printed last time

Note the head regularly, somewhere this machine cannot write to: without it nobody can tell whether the last
lines were cut off, or the whole log was written anew. Where AUDIT_KEEP_DAYS lets the oldest lines expire, it
tells up to which one, and knows the heads before that no more.
"""

import argparse
import asyncio
import re

from application.admin.verify_log import Finding, Flaw, Verdict, VerifyLog
from entrypoints.cli.console import complain, say, settings_with_warnings
from entrypoints.settings import Settings

SUMMARY = "check that nobody tampered with the action log"
MISTAKES = {
    Flaw.CHANGED: "was changed after it was written",
    Flaw.INSERTED: "was put in afterwards",
    Flaw.REMOVED_BEFORE: "does not follow what stands before it: lines between them were removed, "
    "or it was changed",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["verify"], help="read the whole log and check it")
    parser.add_argument("--head", metavar="HASH", type=_hash, help="the head that an earlier check printed")


def _hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text.strip().lower()):
        raise argparse.ArgumentTypeError("a head has 64 hexadecimal digits")
    return text.strip().lower()


def run(arguments: argparse.Namespace) -> int:
    from adapters.sql import migrate  # the database layer; --help does not need it

    settings = settings_with_warnings()
    missing = settings.sqlite_file and not settings.sqlite_file.exists()  # looking would make it
    if missing or not asyncio.run(migrate.is_current(settings.sqlalchemy_url)):
        complain("The database is not there or not up to date: run `virtual-tutor migrate`.")
        return 2
    verdict = asyncio.run(_verify(settings, arguments.head))
    say(f"{verdict.lines} line{'' if verdict.lines == 1 else 's'}, head {verdict.head}")
    if expired := verdict.expired:
        say(f"The lines up to number {expired.id} ({expired.timestamp:%Y-%m-%d %H:%M:%S} UTC) have expired.")
    if verdict.sound:
        say("Every line is as it was written.")
        return 0
    complain(*complaints(verdict, arguments.head))
    return 1


async def _verify(settings: Settings, head: str | None) -> Verdict:
    from adapters.sql.administration import SqlActionRecords
    from adapters.sql.engine import database, reading

    engine, _ = database(settings.sqlalchemy_url, pool_size=1)
    try:
        return await VerifyLog(SqlActionRecords(reading(engine)))(head)
    finally:
        await engine.dispose()


def complaints(verdict: Verdict, head: str | None) -> list[str]:
    lines = [_complaint(finding) for finding in verdict.findings]
    if verdict.cut_off and head:
        or_expired = ", or it has expired" if verdict.expired else ""
        lines.append(
            f"No line has the head {head}: the end was cut off, or the log was written anew{or_expired}."
        )
    if verdict.lines == 0:
        lines.append("The log is empty.")
    return lines


def _complaint(finding: Finding) -> str:
    line = finding.kept.line
    done = f"{line.operator_email}: {line.action} {line.target_user_email}"
    what = f"{line.timestamp:%Y-%m-%d %H:%M:%S} UTC, {done}"
    after = f", after line {finding.before}" if finding.before is not None else ", at the beginning"
    where = f"Line {finding.kept.id}{after if finding.flaw is not Flaw.CHANGED else ''}"
    return f"{where} ({what}) {MISTAKES[finding.flaw]}."
