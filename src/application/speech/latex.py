"""LaTeX formulas cut into tokens, and which commands are of which kind."""

import re

TEXT = re.compile(
    r"\\(?P<command>text|textbf|textit|textrm|mbox|mathrm|operatorname|mathit|mathsf|mathtt|ce|pu)\*?\s{0,3}"
    r"\{(?P<words>[^{}]*)\}"
)
_TOKEN = re.compile(
    rf"{TEXT.pattern}|\\(?:begin|end)\{{[a-zA-Z]+\*?\}}(?:\{{[lcr|]*\}})?|\\[a-zA-Z]+|\\.|:="
    r"|\d+(?:\{,\}\d{3}|,\d{3}(?!\d))*(?:\.\d+)?"
    r"|(?!abc)(?=[a-z]{0,20}?[aeiou])[A-Za-z][a-z]{2,20}(?![a-z])"  # a word, no product
    r"|(?:Na|Cl|Ca|Mg|Fe|Cu|Zn|Ag|Al|Si|He|Li|Br|Mn|Pb|Hg)(?![a-z])|\S",
    re.DOTALL,
)
_SILENT_COMMANDS = (
    "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle scriptstyle limits nolimits "
    "quad qquad hline nonumber notag mathbf mathcal mathfrak mathscr boldsymbol bm boxed underbrace "
    "overbrace underline hspace vspace phantom color tag label substack middle rm bf it , ; : ! >"
)
_SILENT = frozenset(f"\\{name}" for name in [*_SILENT_COMMANDS.split(), " ", "\n"]) | {"~", "\\)", "\\("}

ACCENTS = {
    "hat": "hat",
    "widehat": "hat",
    "bar": "bar",
    "overline": "bar",
    "tilde": "tilde",
    "widetilde": "tilde",
    "dot": "dot",
    "ddot": "ddot",
    "vec": "vector",
    "overrightarrow": "vector",
    "not": "not",
}
BLACKBOARD = {"R": "reals", "N": "naturals", "Z": "integers", "Q": "rationals", "C": "complexes"}
CLOSING = {
    "[": "]",
    "\\{": "\\}",
    "\\langle": "\\rangle",
    "\\lfloor": "\\rfloor",
    "\\lceil": "\\rceil",
    "\\|": "\\|",
    "\\lVert": "\\rVert",
    "\\lvert": "\\rvert",
}
SCALES = {"C": "Celsius", "F": "Fahrenheit"}
_WITH_RANGE = "sum prod coprod int iint iiint oint bigcup bigcap"
_ANGLES_AND_SUCH = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh lg exp"
_OF_SOMETHING = "max min sup inf argmax argmin det dim ker deg gcd lcm Pr tr Re Im ln"
_LIKE_F = "f g h F G H P E O T L u v p q phi psi Phi Psi Theta Omega Gamma"
_STRUCTURES = (
    "frac dfrac tfrac cfrac binom dbinom tbinom sqrt mathbb pmod begin end text textbf textit mathrm "
    "operatorname langle rangle lfloor rfloor lceil rceil lVert rVert lvert rvert"
)
RANGED = frozenset(_WITH_RANGE.split())
LIMITS = frozenset(["lim", "limsup", "liminf"])
FUNCTIONS = frozenset(_ANGLES_AND_SUCH.split())
NOUNS = frozenset(_OF_SOMETHING.split())
NAMES = frozenset(["infty", "partial", "nabla", "hbar", "ell"])
LETTERED = frozenset(_LIKE_F.split())  # a bracket behind these holds an argument
COMMANDS = frozenset(  # besides those that a lexicon has words for
    [*_STRUCTURES.split(), *_SILENT_COMMANDS.split(), *ACCENTS, *RANGED, *LIMITS, *FUNCTIONS, *NOUNS, *NAMES]
)
_BARE = frozenset(["log", "lim", "max", "min", "gcd", "det", "sqrt", "mod"])
_ELEMENTS = "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Mn|Fe|Cu|Zn|Br|Ag|Pb|Hg|H|B|C|N|O|F|P|S|K|I"
_COMPOUND = re.compile(rf"(?:(?:{_ELEMENTS})(?:_\d|_\{{\d+\}})?|[()]){{1,12}}(?:_\d)?")
_SUBSTANCE = re.compile(rf"(?:{_ELEMENTS})(?:_\d|_\{{\d+\}})?(?:{_ELEMENTS})")
_NAME = re.compile(r"\\[a-zA-Z]+|[A-Za-z][\w{}()]*")


def tokens(latex: str) -> list[str]:
    found = (_command(match[0]) for match in _TOKEN.finditer(_with_compounds(latex)))
    return ["'" if sign == "\\prime" else sign for sign in found if sign not in _SILENT]


def _command(sign: str) -> str:
    """`sin` is meant where `sin` is written without a backslash."""
    return f"\\{sign}" if sign in FUNCTIONS or sign in _BARE else sign


def compound(text: str) -> str | None:
    """`H_2O` is said as it is written, H2O."""
    if "_" in text and _COMPOUND.fullmatch(text):
        return re.sub(r"[_{}\s]", "", text)
    return None


def _with_compounds(latex: str) -> str:
    """Where all names are those of elements and something is composed of several, they are no variables."""
    if "_" not in latex:
        return latex
    plain = TEXT.sub(lambda text: text["words"] if _COMPOUND.fullmatch(text["words"]) else text[0], latex)
    names = [name for name in _NAME.findall(plain) if name[0] != "\\"]
    if not all(map(_COMPOUND.fullmatch, names)) or not any(map(_SUBSTANCE.match, names)):
        return latex
    return _NAME.sub(lambda name: f"\\text{{{compound(name[0])}}}" if compound(name[0]) else name[0], plain)
