"""How one way of writing is said."""

import re
from collections.abc import Callable
from typing import NamedTuple


class Rule(NamedTuple):
    """`say` gives None where what matched means something else after all."""

    pattern: re.Pattern[str]
    say: Callable[[re.Match[str]], str | None]


def rule(pattern: str, say: Callable[[re.Match[str]], str | None]) -> Rule:
    return Rule(re.compile(pattern), say)


# A number begins here, not in the middle of a word or of another number.
START = r"(?<![\w.,])"
