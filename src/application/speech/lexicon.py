"""How the signs of mathematics, and the few things that are announced, are said in a language."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lexicon:
    """`signs`: a LaTeX command without its backslash, or a character, in words. `phrases`: what is said
    around the parts of a construct."""

    signs: Mapping[str, str]
    phrases: Mapping[str, str]
    english: bool = False  # numbers and units are rewritten too

    def sign(self, name: str) -> str:
        return self.signs.get(name, name)

    def phrase(self, name: str, *parts: str) -> str:
        return self.phrases[name].format(*parts)


def read_table(table: str, otherwise: Mapping[str, str] | None = None) -> dict[str, str]:
    """Lines of `names = words`; several names may be said alike. What is not in the table is as in
    `otherwise`."""
    found = dict(otherwise or {})
    for line in table.strip().splitlines():
        names, words = line.rsplit(" = ", 1)
        found |= dict.fromkeys(names.split(), words.strip())
    return found


# Written like the commands they stand for.
_SIGNS = read_table(
    """
≥ ⩾ ≧ = geq
≤ ⩽ ≦ = leq
≠ = neq
≈ = approx
≡ = equiv
≅ = cong
∼ = sim
∝ = propto
± = pm
∓ = mp
× = times
⋅ · ∙ = cdot
÷ = div
∗ = ast
− = -
√ = sqrt
∞ = infty
∑ = sum
∏ = prod
∫ = int
∮ = oint
∂ = partial
∇ = nabla
∈ = in
∉ = notin
∋ = ni
⊂ = subset
⊆ = subseteq
⊃ = supset
⊇ = supseteq
∪ = cup
∩ = cap
∅ = emptyset
∀ = forall
∃ = exists
¬ = neg
∧ = land
∨ = lor
⊕ = oplus
⊗ = otimes
∘ = circ
⊥ = perp
∥ = parallel
∠ = angle
→ ⟶ ➝ ➜ = to
← ⟵ = leftarrow
↔ = leftrightarrow
⇌ = rightleftharpoons
⇒ ⟹ = Rightarrow
⇐ = Leftarrow
⇔ ⟺ = iff
↦ = mapsto
↑ = uparrow
↓ = downarrow
∴ = therefore
∵ = because
≪ = ll
≫ = gg
ℝ = reals
ℕ = naturals
ℤ = integers
ℚ = rationals
ℂ = complexes
ℏ = hbar
ℓ = ell
∆ = Delta
Ω = Omega
µ = mu
… ⋯ = dots
"""
)
_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩϵϑϕς"
_LETTER_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega epsilon theta phi sigma"
)
UNICODE = dict(zip(_LETTERS, _LETTER_NAMES.split(), strict=True)) | _SIGNS
