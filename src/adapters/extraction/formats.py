"""Documents by their extension. Runs in the extraction child only: what it reads was sent by strangers."""

from collections.abc import Iterator
from pathlib import Path

from adapters.extraction.reading import Limits, Refused, Sheet, Why, worth_reading


def sheets(file: Path, extension: str, limits: Limits) -> Iterator[Sheet]:
    """The text, page by page. Raises Refused, at the end if there was none."""
    return worth_reading(_read(file, extension, limits))


def check(file: Path, extension: str, limits: Limits) -> None:
    """Stops at the first page with text on it. Raises Refused, but lets a scan pass: it is a document that
    people can read."""
    try:
        for sheet in sheets(file, extension, limits):
            if sheet.says_something:
                return
    except Refused as refused:
        if refused.why is not Why.SCAN:
            raise


def _read(file: Path, extension: str, limits: Limits) -> Iterator[Sheet]:
    # Each library takes its time to load; a child needs one of them.
    if extension == "pdf":
        from adapters.extraction import pdf

        return pdf.read(file, limits)
    if extension == "docx":
        from adapters.extraction import word

        return word.read(file, limits)
    from adapters.extraction import plain

    return plain.read(file)
