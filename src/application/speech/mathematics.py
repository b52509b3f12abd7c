"""LaTeX mathematics as one says it. Pure; reads any text, also a broken formula, and never deeper than it can
bear."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from application.speech.english import ENGLISH
from application.speech.latex import (
    ACCENTS,
    BLACKBOARD,
    CLOSING,
    FUNCTIONS,
    LETTERED,
    LIMITS,
    NAMES,
    NOUNS,
    RANGED,
    SCALES,
    TEXT,
    compound,
    tokens,
)
from application.speech.lexicon import UNICODE, Lexicon
from application.speech.numerals import fraction, ordinal
from application.speech.units import UNIT, unit

DEEPEST = 12  # brackets within brackets; what lies deeper is not said
_CLOSERS = frozenset([*CLOSING.values(), "}", ")"]) - {"]", "\\|"}


class _Part(NamedTuple):
    """`kind`: number, name, function, operator, mark, word, or group: several words that belong together."""

    said: str
    kind: str


_NOTHING = _Part("", "word")


def formula(latex: str, lexicon: Lexicon = ENGLISH) -> str:
    """The words; empty when nothing in it can be said."""
    return _Reader(tokens(latex), lexicon).all()


@dataclass(slots=True)
class _Reader:
    tokens: list[str]
    say: Lexicon
    at: int = 0
    depth: int = 0
    cell: str = ""  # what a `&` says here
    given: bool = False  # within P(A|B)
    within_set: bool = False

    def all(self) -> str:
        parts: list[_Part] = []
        while self.at < len(self.tokens):
            parts += self.until("")
            self.at += 1  # a closing bracket that nothing opened
        return _tidy(_said(parts))

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def follows(self, *expected: str) -> bool:
        """Whether one of these comes next; it is taken then."""
        if self.next() in expected:
            self.at += 1
            return True
        return False

    def until(self, closing: str) -> list[_Part]:
        """The parts up to `closing`, which is taken too, or to a bracket that closes something else."""
        parts: list[_Part] = []
        while (sign := self.next()) and sign != closing and (sign not in _CLOSERS):
            self.at += 1
            self.read(sign, parts)
        self.follows(closing)
        return parts

    def inside(self, closing: str) -> list[_Part]:
        if self.depth >= DEEPEST:
            return []
        self.depth += 1
        parts = self.until(closing)
        self.depth -= 1
        return parts

    def argument(self) -> _Part:
        """The group in braces, or the one sign, that a command takes."""
        sign = self.next()
        if not sign or sign in _CLOSERS or self.depth >= DEEPEST:
            return _NOTHING
        self.at += 1
        self.depth += 1
        found: list[_Part] = []
        self.read(sign, found)
        self.depth -= 1
        return _whole(found)

    def read(self, sign: str, parts: list[_Part]) -> None:
        """Reads what `sign` begins; it may take in the last of `parts`."""
        last = parts[-1] if parts else _NOTHING
        if sign in ("^", "_", "'", "!"):
            self.script(sign, parts)
        elif sign == "/" and last.kind in ("number", "name", "group"):
            parts[-1] = self.over(last, self.scripted(self.argument()))
        elif sign == "(":
            self.bracket(parts)
        elif sign in ("|", "\\mid", "\\vert"):
            self.bar(sign, parts)
        elif sign == ":":
            self.colon(parts)
        elif sign in ("\\cdot", "\\times") and self.is_vector(last):
            name = "dot_product" if sign == "\\cdot" else "cross_product"
            parts.append(_Part(self.say.sign(name), "operator"))
        elif text := TEXT.fullmatch(sign):
            self.words(text["words"], text["command"], parts)
        else:
            parts += self.plain(sign)

    def plain(self, sign: str) -> list[_Part]:
        """What stands for itself, whatever is before it."""
        if sign == "{":
            return [_whole(self.inside("}"))]
        if sign in CLOSING:
            return [self.enclosed(sign)]
        if sign[0].isdigit():
            return [_Part(sign.replace("{,}", ","), "number")]
        if sign[0] == "\\" and len(sign) > 1:
            return self.command(sign[1:])
        if sign == "&":
            return [_Part(self.cell, "mark")]
        if sign in ",;.":
            return [_Part(sign, "mark")]
        if sign in self.say.signs and not sign.isalpha():
            return [_Part(self.say.sign(sign), "operator")]
        if sign in UNICODE:
            return self.plain(sign if UNICODE[sign] == "-" else f"\\{UNICODE[sign]}")
        if sign[0].isalpha():
            # A lone `a` would be read as the article.
            return [_Part("A" if sign == "a" and self.say is ENGLISH else sign, "name")]
        return []

    def command(self, name: str) -> list[_Part]:
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            return [self.over(self.argument(), self.argument())]
        if name in ("binom", "dbinom", "tbinom"):
            return [_Part(self.say.phrase("choose", self.argument().said, self.argument().said), "group")]
        if name == "sqrt":
            return [self.root()]
        if name in ACCENTS:
            return [_Part(self.say.phrase(ACCENTS[name], self.argument().said), "name")]
        if name == "mathbb":
            letter = self.argument().said
            named = BLACKBOARD.get(letter) if self.next() != "^" else None
            return [_Part(self.say.sign(named or letter), "name")]
        if name == "pmod":
            return [_Part(self.say.phrase("modulo", self.argument().said), "word")]
        if name.startswith("begin"):
            return [self.environment(name)]
        if name in ("\\", "newline", "cr"):
            return [_Part(";" if self.cell else ",", "mark")]
        if name in RANGED or name in LIMITS or name in NOUNS or name == "log":
            return [self.ranged(name)]
        return self.named(name)

    def named(self, name: str) -> list[_Part]:
        if not name[0].isalpha() and name not in self.say.signs:
            return []
        if name in FUNCTIONS:
            return [_Part(self.say.sign(name), "function")]
        said = self.say.sign(name)
        return [_Part(said, "name" if name not in self.say.signs or name in NAMES else "operator")]

    def scripted(self, base: _Part) -> _Part:
        """The base with the powers and indices behind it."""
        parts = [base]
        while self.follows("^", "_", "'", "!"):
            self.script(self.tokens[self.at - 1], parts)
        return _whole(parts)

    def over(self, above: _Part, below: _Part) -> _Part:
        if not (above.said and below.said):
            return above if above.said else below
        if above.said == "d" and below.said.startswith("d "):
            return _Part(self.say.phrase("derivative", below.said[2:]), "operator")
        if above.kind == below.kind == "number" and self.say is ENGLISH:
            small = above.said.isdecimal() and below.said.isdecimal() and len(above.said + below.said) < 8
            named = fraction(int(above.said), int(below.said)) if small else None
            if named:
                return _Part(named, "number")
        lengthy = "group" in (above.kind, below.kind)
        phrase = self.say.phrase("long_over" if lengthy else "over", above.said, below.said)
        return _Part(phrase, "group" if lengthy else "name")

    def root(self) -> _Part:
        index = _said(self.inside("]")) if self.follows("[") else "2"
        of = self.argument().said
        if index in ("2", "3"):
            return _Part(self.say.phrase("root" if index == "2" else "cube_root", of).strip(), "name")
        if self.say is ENGLISH:
            index = ordinal(int(index)) if index.isdecimal() and len(index) < 4 else f"{index}th"
        return _Part(self.say.phrase("nth_root", index, of).strip(), "name")

    def script(self, sign: str, parts: list[_Part]) -> None:
        base = parts.pop() if parts and parts[-1].kind not in ("operator", "mark") else _NOTHING
        if sign == "'":
            prime = "double_prime" if self.follows("'") else "prime"
            parts.append(_Part(self.say.phrase(prime, base.said), base.kind))
        elif sign == "!":
            parts.append(_Part(self.say.phrase("factorial", base.said), "name"))
        elif sign == "_":
            index = self.argument().said
            parts.append(_Part(self.say.phrase("sub", base.said, index), base.kind) if index else base)
        else:
            parts.append(self.raised(base))

    def raised(self, base: _Part) -> _Part:
        raw = "".join(self.tokens[self.at : self.at + 4])
        if raw.startswith(("\\circ", "{\\circ", "°")):
            return self.degrees(base)
        kind = "function" if base.kind == "function" else "name"
        said = self.say.phrase("all", base.said) if base.kind == "group" else base.said
        power = self.argument()
        if not power.said:
            return base
        if raw.startswith("{-1}") and base.kind == "function":
            return _Part(self.say.phrase("inverse_function", said), kind)
        if raw.startswith("{-1}") and len(said) == 1 and said.isupper():
            return _Part(self.say.phrase("inverse", said), kind)
        if suffix := re.match(r"\{(th|st|nd|rd)\}|\\text\w*\{(th|st|nd|rd)\}", raw):
            return self.counted(base, suffix[1] or suffix[2])
        if raw.startswith(("T", "{T}", "\\top", "{\\top")):
            return _Part(self.say.phrase("transpose", said), kind)
        if power.kind == "operator" and power.said in (self.say.sign("+"), self.say.sign("-")):
            return _Part(f"{said} {power.said}", kind)
        named = {"2": "squared", "3": "cubed", self.say.sign("prime"): "prime", self.say.sign("*"): "star"}
        if power.said in named:
            return _Part(self.say.phrase(named[power.said], said), kind)
        return _Part(self.say.phrase("power", said, power.said), kind)

    def counted(self, base: _Part, suffix: str) -> _Part:
        """`5^{th}`, `n^{th}`."""
        small = base.said.isdecimal() and len(base.said) < 5 and self.say is ENGLISH
        return _Part(ordinal(int(base.said)) if small else f"{base.said}{suffix}", "word")

    def degrees(self, base: _Part) -> _Part:
        self.argument()
        text = TEXT.fullmatch(self.next())
        scale = SCALES.get(text["words"] if text else self.next())
        if scale is None:
            return _Part(self.say.phrase("degrees", base.said), "number")
        self.at += 1
        return _Part(self.say.phrase("degrees_of", base.said, scale), "number")

    def ranged(self, name: str) -> _Part:
        """A sum, an integral, a limit, a maximum, with what stands below and above it."""
        said = self.say.sign(name)
        below = above = ""
        while self.next() == "_" or (self.next() == "^" and name in RANGED):
            if self.follows("^"):
                above = self.argument().said
            elif self.follows("_"):
                below = self.approached() if name in LIMITS else self.argument().said
        if name == "log" and below:
            said = self.say.phrase("log_base", said, below)
        elif name in LIMITS and below:
            return _Part(self.say.phrase("limit", said, below), "operator")
        elif below:
            phrase = self.say.phrase("from_to" if above else "from", said, below, above)
            return _Part(phrase, "operator")
        if self.next() == "(" or (name == "log" and not below):
            return _Part(said, "function")
        return _Part(self.say.phrase("of", said, "").strip(), "operator")

    def approached(self) -> str:
        start = self.at
        said = self.argument().said
        arrows = sum(sign in ("\\to", "\\rightarrow", "→") for sign in self.tokens[start : self.at])
        return said.replace(f" {self.say.sign('to')} ", f" {self.say.phrase('approaches')} ", arrows)

    def bracket(self, parts: list[_Part]) -> None:
        """`(`: of a function, a product, a tuple, or only to hold things together."""
        before = parts[-1] if parts else _NOTHING
        of_function = before.kind == "function" or before.said.split(" ")[0] in LETTERED
        outer, self.given = self.given, of_function and before.said in ("P", "p", "E", self.say.sign("Pr"))
        inner = self.inside(")")
        self.given = outer
        whole = _whole(inner)
        if of_function:
            parts[-1] = _Part(self.say.phrase("of", before.said, whole.said), "name")
            if self.next() in LETTERED:
                parts.append(_Part(self.say.sign("*"), "operator"))
        elif whole.kind != "group" or self.next() in ("^", "!") or any(part.kind == "mark" for part in inner):
            parts.append(whole)
        else:
            product = before.kind in ("number", "name", "group")
            phrase = self.say.phrase("times_quantity" if product else "quantity", whole.said)
            parts.append(_Part(phrase, "group"))

    def bar(self, sign: str, parts: list[_Part]) -> None:
        """`|`: the absolute value, or what is given, or such that."""
        if self.given:
            parts.append(_Part(self.say.phrase("given"), "operator"))
            return
        opens = not parts or parts[-1].kind in ("operator", "mark", "number")
        if opens and sign == "|" and "|" in self.tokens[self.at : self.at + 60]:
            parts.append(_Part(self.say.phrase("absolute", _said(self.inside("|"))), "name"))
        else:
            parts.append(_Part(self.say.sign("mid" if self.within_set else "divides"), "operator"))

    def colon(self, parts: list[_Part]) -> None:
        """`3:1`, `f: A \\to B`; otherwise a pause."""
        if self.within_set or "\\exists" in self.tokens[: self.at]:
            parts.append(_Part(self.say.sign("mid"), "operator"))
        elif parts and parts[-1].kind == "number":
            parts.append(_Part(self.say.sign(":"), "operator"))
        elif "\\to" in self.tokens[self.at : self.at + 20]:
            parts.append(_Part(self.say.sign("map_from"), "operator"))
        else:
            parts.append(_Part(",", "mark"))

    def is_vector(self, part: _Part) -> bool:
        return part.said == self.say.sign("nabla") or part.said.startswith(
            self.say.phrase("vector", "").strip()
        )

    def enclosed(self, opening: str) -> _Part:
        outer, self.within_set = self.within_set, self.within_set or opening == "\\{"
        whole = _whole(self.inside(CLOSING[opening]))
        self.within_set = outer
        phrases = {"\\{": "set", "\\|": "norm", "\\lVert": "norm", "\\lvert": "absolute"}
        phrases |= {"\\lfloor": "floor", "\\lceil": "ceiling"}
        if opening in phrases and whole.said:
            return _Part(self.say.phrase(phrases[opening], whole.said), "name")
        return whole

    def words(self, text: str, command: str, parts: list[_Part]) -> None:
        """`\\text{…}`: said as it stands; behind a number it may be a unit."""
        said = compound(text) or " ".join(text.split())
        if parts and parts[-1].kind == "number" and self.say is ENGLISH and UNIT.fullmatch(said):
            said = unit(said, one=parts[-1].said == "1")
        kind = "function" if command == "operatorname" else "name" if len(said) == 1 else "word"
        parts.append(_Part(said, kind))

    def environment(self, name: str) -> _Part:
        kind = name.removeprefix("begin").strip("{}* ")
        tabular = kind.endswith("matrix") or kind in ("array", "cases")
        outer, self.cell = self.cell, "," if tabular else ""
        parts: list[_Part] = []
        if self.depth < DEEPEST:
            self.depth += 1
            while (sign := self.next()) and not sign.startswith("\\end"):
                self.at += 1
                self.read(sign, parts)
            self.depth -= 1
            self.at += 1
        self.cell = outer
        said = _said(parts)
        if tabular and said:
            said = self.say.phrase("cases" if kind == "cases" else "matrix", said)
        return _Part(said, "group")


def _said(parts: list[_Part]) -> str:
    return " ".join(part.said for part in parts if part.said)


def _whole(parts: list[_Part]) -> _Part:
    """Several parts as one; a lone one keeps its kind."""
    parts = [part for part in parts if part.said]
    if len(parts) == 1:
        return parts[0]
    joined = any(part.kind in ("operator", "group") for part in parts)
    return _Part(_said(parts), "group" if joined else "name")


def _tidy(said: str) -> str:
    said = re.sub(r"\s+(?=[,;.])", "", said)
    said = re.sub(r"([,;])[,;]+", r"\1", said)
    return " ".join(said.split()).strip(" ,;.")
