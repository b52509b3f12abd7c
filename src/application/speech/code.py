"""Code and web addresses within a sentence, as one reads them out."""

import re

from application.speech.lexicon import Lexicon

_SIGNS = {
    "===": "equals",
    "!==": "is not equal to",
    "==": "equals",
    "!=": "is not equal to",
    "<=": "less than or equal to",
    ">=": "greater than or equal to",
    "=>": "arrow",
    "->": "arrow",
    "+=": "plus equals",
    "-=": "minus equals",
    "++": "plus plus",
    "--": "dash dash",
    "&&": "and",
    "||": "or",
    "**": "to the power of",
    "//": "slash slash",
    "::": "",
    "=": "equals",
    "<": "less than",
    ">": "greater than",
    "+": "plus",
    "-": "minus",
    "*": "star",
    "/": "slash",
    "%": "percent",
    "&": "and",
    "|": "bar",
    "@": "at",
    "#": "hash",
    "$": "dollar",
    "~": "tilde",
    "^": "caret",
}
_SIGN = re.compile("|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True)))
_ADDRESS = re.compile(r"https?://(?:www\.)?([\w.-]+)\S*")
_TAG = re.compile(r"</?([A-Za-z][\w-]*)[^<>]*>")
_BETWEEN = re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z])")
_OPTION = re.compile(r"(?<!\S)--?(?=[A-Za-z])")
_DOT = re.compile(r"(?<=\w)\.(?=[A-Za-z])|(?<!\S)\.(?=[A-Za-z])")
_CALL = re.compile(r"\(\s*\)")
_UNSPEAKABLE = re.compile(r"[_\"'`\\{}\[\]();\u00a0]")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")

_LANGUAGE_TABLE = (
    "py Python, python Python, python3 Python, js JavaScript, javascript JavaScript, ts TypeScript, "
    "typescript TypeScript, java Java, kotlin Kotlin, swift Swift, rust Rust, go Go, ruby Ruby, php "
    "PHP, sql SQL, html HTML, css CSS, json JSON, yaml YAML, yml YAML, xml XML, latex LaTeX, tex LaTeX, "
    "matlab Matlab, haskell Haskell, bash shell, sh shell, shell shell, zsh shell, c C, csharp C_sharp, "
    "c# C_sharp, c++ C_plus_plus, cpp C_plus_plus"
)
_LANGUAGES = dict(entry.split() for entry in _LANGUAGE_TABLE.split(", ")) | dict.fromkeys(
    ("text", "txt", "plaintext", "plain", "none", "output", "code", "markdown", "md"), ""
)


def spoken_code(code: str, lexicon: Lexicon | None) -> str:
    """`user_name`, `print()`, `x == 3`; in languages whose words we lack only what can be read is left."""
    said = _TAG.sub(r" \1 ", _ADDRESS.sub(r"\1", code))
    if lexicon is not None:
        said = _DOT.sub(f" {lexicon.phrase('dot_in_address')} ", _CALL.sub("", said))
    if lexicon is not None and lexicon.english:
        said = _BETWEEN.sub(" ", said)
        said = _OPTION.sub("dash ", said)
        said = _SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", said)
        said = _HUMP.sub(" ", said)
    said = " ".join(_UNSPEAKABLE.sub(" ", said).split())
    return re.sub(r"\s+(?=[,:])", "", said).strip(" ,:")


def spoken_address(address: str, lexicon: Lexicon | None) -> str:
    """`example dot com`, `ann at example dot com`."""
    if lexicon is None:
        return address
    said = address.replace(".", f" {lexicon.phrase('dot_in_address')} ")
    return said.replace("@", f" {lexicon.phrase('at_in_address')} ").replace("_", " ")


def language_name(written: str) -> str:
    """`py` is Python; empty where no language is meant."""
    return _LANGUAGES.get(written.lower(), written).replace("_", " ")
