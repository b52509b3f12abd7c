"""Abbreviations, and whether the full stop behind a word ends a sentence."""

import re

# What they are read as in English. Those with a star may end a sentence.
_TABLE = """
e.g. = for example
i.e. = that is
etc. = et cetera *
vs. = versus
cf. = compare
viz. = namely
al. = al. *
approx. = approximately
ca. = around
resp. = respectively
incl. = including
excl. = excluding
w.r.t. = with respect to
a.k.a. = also known as
i.i.d. = I I D
s.t. = such that
n.b. = note
dr. = Doctor
prof. = Professor
mr. = Mister
mrs. = Missus
ms. = Miss
st. = Saint
jr. = Junior *
sr. = Senior *
inc. = Incorporated *
ltd. = Limited *
corp. = Corporation *
co. = Company *
dept. = Department
univ. = University
ph.d. = PhD *
m.sc. = M S C *
b.sc. = B S C *
m.d. = M D *
a.m. = AM *
p.m. = PM *
def. = Definition
thm. = Theorem
lem. = Lemma
prop. = Proposition
est. = established
max. = maximum
min. = minimum
avg. = average
jan. = January
feb. = February
mar. = March
apr. = April
aug. = August
sep. = September
sept. = September
oct. = October
nov. = November
dec. = December
mon. = Monday
tue. = Tuesday
thu. = Thursday
fri. = Friday
"""
READINGS = {
    short: words.removesuffix("*").strip()
    for short, words in (line.split(" = ") for line in _TABLE.strip().splitlines())
}
_MAY_END = frozenset(line.split(" = ")[0] for line in _TABLE.splitlines() if line.endswith("*"))

# Only before a number: `No. 5` is number 5, `No.` is an answer.
_NUMBERED_TABLE = (
    "fig. Figure, figs. Figures, eq. Equation, eqs. Equations, no. number, nos. numbers, p. page, pp. pages, "
    "ch. Chapter, chap. Chapter, sec. Section, vol. Volume, tab. Table, ex. Example, art. Article, ref. "
    "Reference, app. Appendix, pt. Part, c. around"
)
NUMBERED = dict(entry.split() for entry in _NUMBERED_TABLE.split(", "))
_FOREIGN = (  # which only keep a sentence together
    "z. z.b. d.h. u.a. bzw. usw. nr. abs. bsp. ca. vgl. evtl. ggf. inkl. mio. mrd. str. sog. bspw. dr. prof. "
    "hr. fr. art. s. p. pág. núm. sr. sra. ud. p.ex. par. env. ex. cf. etc. mme. mlle. n."
)
FOREIGN = frozenset(_FOREIGN.split())
ABBREVIATED = READINGS.keys() | NUMBERED.keys() | FOREIGN

# Capitals that begin a sentence more often than a name.
_OPENER = re.compile(
    r"(?:the|an?|it|its|this|that|these|those|they|he|she|we|you|i|in|on|at|for|if|when|but|there|so|and|as|"
    r"however|then|here|what|how|why|to|by|with|now|let|our|your|my|no|yes)\b",
    re.IGNORECASE,
)


def ends_sentence(short: str, following: str) -> bool:
    """Whether the full stop of an abbreviation, or behind an initial, ends the sentence too. `following`:
    what comes behind the blank; empty where the block ends."""
    if not following:
        return True
    if not following.lstrip("\"'“‘(")[:1].isupper():
        return False
    if short in _MAY_END:
        return short not in ("jr.", "inc.", "al.") or _OPENER.match(following) is not None
    return short not in ABBREVIATED and _OPENER.match(following) is not None
