"""Where an answer in Markdown is code or a formula, told while it is still being written. Pure."""

from dataclasses import dataclass

BLOCK = 3  # so many backticks or tildes at the beginning of a line begin a block of code
SPECIAL = r"`~$\\"  # within a class of a regular expression: what may begin or end code and formulas
_MARKS = frozenset("`~$")
_BEFORE_BLOCK = frozenset(" \t>-*+.)0123456789")  # indentation, and what begins a quotation or a list item
_FORMULAS = {"[": "\\]", "(": "\\)"}


@dataclass(slots=True)
class Verbatim:
    """Reads an answer in characters, or in stretches that hold neither a special one nor a blank. A span that
    nothing closes ends with its paragraph."""

    _until: str = ""  # what ends the code or the formula that we are in; "" in prose
    _block: bool = False  # that is a block of code
    _opening: bool = False  # and we are still on the line where it began
    _run: str = ""  # of equal marks, just read: what it means depends on its length
    _escaped: bool = False
    _at_start: bool = True  # on this line stands nothing before the run but what may stand before a block
    _blank: bool = True  # on this line stands nothing at all

    def read(self, unit: str) -> bool:
        """Whether what comes next stands in code or in a formula."""
        if self._run and unit != self._run[0]:
            self._end_run(unit[0])
        if self._escaped:
            self._escaped = False
            self._escape(unit[0])
        elif unit == "\\" and (not self._until or self._until[0] in "$\\"):
            self._escaped = True
        elif unit in _MARKS:
            self._run += unit
        if unit == "\n":
            self._end_line()
        else:
            self._blank = self._blank and unit.isspace()
            self._at_start = self._at_start and (bool(self._run) or _BEFORE_BLOCK.issuperset(unit))
        return bool(self._until)

    def _escape(self, character: str) -> None:
        if not self._until:
            self._until = _FORMULAS.get(character, "")
        elif self._until == f"\\{character}":
            self._until = ""

    def _end_run(self, following: str) -> None:
        run, self._run = self._run, ""
        if not self._until:
            self._begin(run, following)
        elif self._block:
            if run.startswith(self._until) and (self._at_start or self._opening):
                self._until, self._block = "", False
        elif run == self._until or self._until == "$" == run[0]:
            self._until = ""
        self._at_start = False

    def _begin(self, run: str, following: str) -> None:
        mark = run[0]
        self._block = self._opening = mark != "$" and len(run) >= BLOCK and self._at_start
        if self._block or mark == "`":
            self._until = run
        elif mark == "$" and len(run) > 1:
            self._until = "$$"
        elif mark == "$" and not (following.isspace() or following.isdigit()):  # else it is money
            self._until = "$"

    def _end_line(self) -> None:
        if self._blank and not self._block:
            self._until = ""
        self._at_start = self._blank = True
        self._opening = False
