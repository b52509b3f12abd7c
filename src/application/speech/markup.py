"""Markdown read as it comes: plain text out of any pieces of an answer, the same however it was cut."""

import re
from contextlib import suppress
from dataclasses import dataclass, field

from application.speech.blocks import Opening, Opens, opening
from application.speech.inline import ADDRESS, RULES, address
from application.speech.lookahead import Ahead, Found, Undecided
from application.speech.prose import Prose
from application.speech.spoken import THING, Kind, Plain, Thing

FENCED_MAX = 10_000  # characters of a block of code; a fence that nobody closes does not silence the rest
WIDE = 60  # characters of a line that was broken only because it was full

# Emoji, dingbats, frames and geometrical figures, marks of direction, private and broken characters.
_SILENT = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00a9\u00ad\u00ae\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u20e3"
    "\u2122\u231a\u231b\u23e9-\u23fa\u2500-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\ufeff\ufff9-\uffff\ue000-\uf8ff"
    "\ud800-\udfff\U0001f000-\U0001fbff\U000e0000-\U0010ffff"
)
_HIDDEN = re.compile(f"[{_SILENT}]")
_BLANKS = re.compile(r"[^\S\n]+")
_WORD = re.compile(f"[^\\s{_SILENT}{re.escape(''.join(RULES))}|]+")
_SCHEME_BEGUN = re.compile(r"(?<![A-Za-z0-9])(?:h|ht|htt|https?|https?:/?|w|ww|www)\Z", re.IGNORECASE)
_OF_ADDRESS = re.compile("[^\\s<>\"'`|\\[\\]，。！？；：、）】」』]*")
_BEHIND_ADDRESS = ".,;:!?)*_~"
_HASHES = re.compile("#{1,80}")
_LINE = re.compile(r"[^\n]*")
_INDENT = re.compile(r"[^\S\n>]*")


@dataclass(slots=True)
class Markup:
    """Holds back only what is not decided yet."""

    _rest: str = "\n"  # one character that was read already, and what was not
    _read: int = -1  # characters of the answer before `_rest`
    _prose: Prose = field(default_factory=Prose)
    _line_begins: bool = True
    _line_from: int = 0  # where in the answer the line began
    _broken: bool = False  # a line ended, and it is open whether its block did
    _wide: bool = False  # that line was full
    _lone: bool = False  # a heading or a row: the line is a block of its own
    _table: bool = False
    _silent: bool = False  # up to the end of the line
    _address: Thing | None = None  # that is being read: its host is said when it is over
    _address_from: int = 0
    _fence: str = ""
    _fenced: int = 0  # characters since the fence

    def feed(self, piece: str) -> Plain:
        self._rest += piece
        self._advance(last=False)
        return self._prose.take()

    def end(self) -> Plain:
        self._advance(last=True)
        self._end_address(len(self._rest))
        self._prose.close(self._read + len(self._rest))
        return self._prose.take()

    def _advance(self, *, last: bool) -> None:
        ahead, at = Ahead(self._rest, last), 1
        with suppress(Undecided):
            while at < len(self._rest):
                at = self._step(ahead, at)
        self._rest = self._rest[at - 1 :]
        self._read += at - 1

    def _step(self, ahead: Ahead, at: int) -> int:
        """Reads one construct, and says where the next begins."""
        if self._fence:
            return self._in_code(ahead, at)
        if ahead.text[at] == "\n":
            return self._end_line(at)
        if self._silent:
            return _end(_LINE, ahead, at)
        if self._address is not None:
            return self._in_address(ahead, at)
        if self._line_begins:
            return self._begin_line(ahead, at)
        return self._in_line(ahead, at)

    def _end_line(self, at: int) -> int:
        self._end_address(at)
        blank = self._line_begins
        if self._lone or blank:
            self._prose.close(self._read + at)
        self._broken = not (self._lone or blank)
        self._wide = self._read + at - self._line_from >= WIDE
        self._line_begins, self._line_from = True, self._read + at + 1
        self._lone = self._silent = self._table = False
        return at + 1

    def _begin_line(self, ahead: Ahead, at: int) -> int:
        if blanks := _BLANKS.match(ahead.text, at):
            return blanks.end()
        if mark := opening(ahead, at):
            return self._open(mark, at)
        if self._broken and self._goes_on(ahead.text[at]):
            self._prose.blank()
        elif self._broken:
            self._prose.close(self._read + at)
        self._line_begins = self._broken = False
        return at

    def _goes_on(self, first: str) -> bool:
        """Whether the line before was broken within a sentence."""
        return first.islower() or (
            self._wide and self._prose.last[-1:] not in (".", "!", "?", ":", "。", "！", "？")
        )

    def _open(self, mark: Opening, at: int) -> int:
        if mark.what is Opens.QUOTE:
            return mark.to
        self._prose.close(self._read + at)
        self._broken = False
        # in an item another block may begin
        self._line_begins = mark.what is Opens.ITEM and not mark.text
        self._lone = mark.what in (Opens.HEADING, Opens.ROW)
        self._table = mark.what is Opens.ROW
        self._silent = mark.what is Opens.SILENT
        if mark.what is Opens.FENCE:
            self._fence, self._fenced = mark.text, 0
            self._say(Thing(Kind.BLOCK, mark.language), at, mark.to)
            self._prose.close(self._read + mark.to)
        elif mark.text:
            self._say(Thing(Kind.NUMBER, mark.text), at, mark.to)
        return mark.to

    def _say(self, thing: Thing, begin: int, end: int) -> None:
        self._prose.say(THING, [self._read + end], self._read + begin, thing)

    def _in_code(self, ahead: Ahead, at: int) -> int:
        if ahead.text[at] == "\n":
            self._line_begins = True
            return at + 1
        if self._line_begins:
            if (begin := _end(_INDENT, ahead, at)) > at:
                return begin
            if self._fenced > FENCED_MAX:
                self._fence = ""
                return at
            if self._closes(ahead, at):
                self._fence, self._silent = "", True
            self._line_begins = False
        end = _end(_LINE, ahead, at)
        self._fenced += end - at
        return end

    def _closes(self, ahead: Ahead, at: int) -> bool:
        end = ahead.behind(re.compile(f"{self._fence[0]}{{0,80}}"), at)
        if end - at < len(self._fence):
            return False
        return ahead.at(ahead.behind(_BLANKS, end)) in ("\n", "")

    def _in_address(self, ahead: Ahead, at: int) -> int:
        """Up to a blank or a bracket, without the marks at its end, which belong to the sentence."""
        end = _end(_OF_ADDRESS, ahead, at)
        last = ahead.text[max(at, end - len(_BEHIND_ADDRESS)) : end]
        end -= len(last) - len(last.rstrip(_BEHIND_ADDRESS))
        if end > at:
            return end
        ahead.behind(_OF_ADDRESS, at)
        self._end_address(at)
        return at

    def _end_address(self, at: int) -> None:
        if self._address is not None:
            self._prose.say(THING, [self._read + at], self._address_from, self._address)
            self._address = None

    def _in_line(self, ahead: Ahead, at: int) -> int:
        mark = ahead.text[at]
        if blanks := _BLANKS.match(ahead.text, at):
            self._prose.blank()
            return blanks.end()
        if _HIDDEN.match(mark) or (mark == "\u200d" and _HIDDEN.match(ahead.text[at - 1])):
            self._prose.hide()
            return at + 1
        if mark == "|":
            return self._bar(ahead, at)
        if mark == "#" and self._lone and ahead.text[at - 1].isspace():
            return self._hashes(ahead, at)
        if rule := RULES.get(mark):
            return self._keep(rule(ahead, at), at)
        return self._word(ahead, at)

    def _bar(self, ahead: Ahead, at: int) -> int:
        if self._table or (ahead.text[at - 1].isspace() and ahead.at(at + 1).isspace()):
            self._prose.cell()
        else:
            self._prose.hide()
        return at + 1

    def _hashes(self, ahead: Ahead, at: int) -> int:
        """Those that close a heading."""
        end = ahead.behind(_HASHES, at)
        if ahead.at(end) not in ("\n", ""):
            self._prose.say(
                ahead.text[at:end], range(self._read + at + 1, self._read + end + 1), self._read + at
            )
        return end

    def _word(self, ahead: Ahead, at: int) -> int:
        end = _end(_WORD, ahead, at)
        link = ADDRESS.search(ahead.text, at, end)
        if link and link.start() == at:
            found = address(ahead, at)
            self._address, self._address_from = found.thing, self._read + at
            if found.thing is not None:
                self._prose.separate(THING, self._read + at)
            return found.to
        if link:
            end = link.start()
        elif end == len(ahead.text) and not ahead.last and (begun := _SCHEME_BEGUN.search(ahead.text, at)):
            end = begun.start()
            if end == at:
                raise Undecided
        ends = range(self._read + at + 1, self._read + end + 1)
        self._prose.say(ahead.text[at:end], ends, self._read + at)
        return end

    def _keep(self, found: Found, at: int) -> int:
        if found.thing is not None:
            self._say(found.thing, at, found.to)
        elif found.say == "\n":
            self._prose.close(self._read + found.to)
        elif found.say.isspace():
            self._prose.blank()
        elif not found.say or _HIDDEN.match(found.say):
            self._prose.hide()
        else:
            self._prose.say(found.say, [self._read + found.to], self._read + at)
        return found.to


def _end(run: re.Pattern[str], ahead: Ahead, at: int) -> int:
    match = run.match(ahead.text, at)
    return match.end() if match else at
