"""Mathematics, and what is announced, in German; what is missing here is said in English."""

from application.speech.english import ENGLISH
from application.speech.lexicon import Lexicon, read_table

GERMAN = Lexicon(
    read_table(
        """
+ = plus
- = minus
=  = gleich
< lt = kleiner als
> gt = größer als
* times cdot ast = mal
/ div = geteilt durch
: colon = zu
& = und
geq ge geqslant = größer oder gleich
leq le leqslant = kleiner oder gleich
neq ne = ungleich
approx approxeq = ungefähr gleich
equiv = äquivalent zu
cong simeq = kongruent zu
sim = ähnlich zu
propto = proportional zu
ll = viel kleiner als
gg = viel größer als
coloneqq := = ist definiert als
pm = plus minus
mp = minus plus
infty = unendlich
in = Element von
notin = nicht Element von
ni = enthält
subset = echte Teilmenge von
subseteq = Teilmenge von
supset = echte Obermenge von
supseteq = Obermenge von
cup = vereinigt mit
cap = geschnitten mit
setminus backslash = ohne
emptyset varnothing = die leere Menge
forall = für alle
exists = es existiert
nexists = es existiert nicht
neg lnot = nicht
land wedge = und
lor vee = oder
circ = verknüpft mit
perp = senkrecht zu
parallel = parallel zu
angle = Winkel
triangle = Dreieck
mid = mit
divides = teilt
to rightarrow longrightarrow xrightarrow hookrightarrow = nach
leftarrow gets = von
Rightarrow implies Longrightarrow = daraus folgt
Leftarrow impliedby = folgt aus
iff Leftrightarrow Longleftrightarrow = genau dann wenn
mapsto = wird abgebildet auf
therefore = also
because = weil
partial = partiell
dot_product = Skalarprodukt
cross_product = Kreuzprodukt
map_from = von
sum = die Summe
prod = das Produkt
int = das Integral
iint = das Doppelintegral
oint = das Ringintegral
bigcup = die Vereinigung
bigcap = der Durchschnitt
lim = der Grenzwert
max = das Maximum
min = das Minimum
sup = das Supremum
inf = das Infimum
sin = Sinus
cos = Kosinus
tan = Tangens
log lg = Logarithmus
ln = natürlicher Logarithmus
det = die Determinante
dim = die Dimension
dots ldots cdots vdots ddots dotsc dotsb = und so weiter
prime = Strich
reals = die reellen Zahlen
naturals = die natürlichen Zahlen
integers = die ganzen Zahlen
rationals = die rationalen Zahlen
complexes = die komplexen Zahlen
% = %
degree = Grad
""",
        ENGLISH.signs,
    ),
    read_table(
        """
over = {} durch {}
long_over = {}, alles durch {}
squared = {} Quadrat
cubed = {} hoch 3
power = {} hoch {}
all = {}, alles
transpose = {} transponiert
star = {} Stern
degrees = {} Grad
degrees_of = {} Grad {}
prime = {} Strich
double_prime = {} zwei Strich
inverse = {} invers
inverse_function = Umkehrfunktion {}
floor = {} abgerundet
ceiling = {} aufgerundet
derivative = die Ableitung nach {} von
factorial = {} Fakultät
sub = {} {}
root = die Wurzel aus {}
cube_root = die dritte Wurzel aus {}
nth_root = die {} Wurzel aus {}
choose = {} über {}
from_to = {} von {} bis {} von
from = {} über {} von
limit = {} für {} von
approaches = gegen
log_base = {} zur Basis {}
of = {} von {}
given = gegeben
absolute = der Betrag von {}
norm = die Norm von {}
set = die Menge {}
quantity = Klammer auf {} Klammer zu
times_quantity = mal Klammer auf {} Klammer zu
matrix = die Matrix {}
cases = je nach Fall {}
hat = {} Dach
bar = {} quer
tilde = {} Tilde
dot = {} Punkt
ddot = {} zwei Punkt
vector = Vektor {}
not = nicht {}
code_block = Hier ist ein Codeblock
code_block_in = Hier ist ein Codeblock in {}
dot_in_address = Punkt
at_in_address = ät
""",
        ENGLISH.phrases,
    ),
)
