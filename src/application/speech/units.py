"""Units of measure and how they are said behind a number. English."""

import re
from collections.abc import Iterator

_BASES = (
    "m meter, g gram, s second, A ampere, mol mole, N newton, Pa pascal, J joule, W watt, V volt, F "
    "farad, Ω ohm, T tesla, L liter, l liter, eV electron volt, B byte, bit bit, cal calorie, Wh watt "
    "hour"
)
_PREFIXES = {
    "n": "nano",
    "µ": "micro",
    "μ": "micro",
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "K": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
    "P": "peta",
}
# Those that are written; any others would be taken for other signs: `min`, `ft`, `Pa`.
_PREFIXED = (
    "nm µm μm mm cm dm km ng µg μg mg kg ns µs μs ms nA µA mA kA mmol µmol kmol mN kN MN hPa kPa MPa GPa "
    "kJ MJ GJ mW kW MW GW TW mV kV nF µF mF kΩ MΩ mΩ mT µT ml mL cl cL dl dL µL hl hL meV keV MeV GeV TeV "
    "kB KB MB GB TB PB kbit Mbit Gbit kcal kWh MWh GWh TWh"
)
_REGULAR = (
    "min minute, mins minute, h hour, hr hour, hrs hour, sec second, secs second, yr year, yrs year, K "
    "kelvin, t tonne, ha hectare, yd yard, mi mile, lb pound, lbs pound, oz ounce, px pixel, dB decibel, "
    "bar bar, atm atmosphere, ly light year"
)
_IRREGULAR = (
    "Hz hertz hertz, kHz kilohertz kilohertz, MHz megahertz megahertz, GHz gigahertz gigahertz, THz "
    "terahertz terahertz, ft foot feet, % percent percent, ‰ per_mille per_mille, ° degree degrees, °C "
    "degree_Celsius degrees_Celsius, ℃ degree_Celsius degrees_Celsius, °F degree_Fahrenheit "
    "degrees_Fahrenheit, mph mile_per_hour miles_per_hour, rpm revolution_per_minute "
    "revolutions_per_minute, fps frame_per_second frames_per_second, bps bit_per_second bits_per_second, "
    "kbps kilobit_per_second kilobits_per_second, Mbps megabit_per_second megabits_per_second, Gbps "
    "gigabit_per_second gigabits_per_second"
)
_RATES = ("day", "week", "month", "year", "hour", "minute", "second", "person")  # as in `5 km/day`


def _names() -> Iterator[tuple[str, tuple[str, str]]]:
    bases = dict(entry.split(" ", 1) for entry in _BASES.split(", "))
    prefixed = {sign: f"{_PREFIXES[sign[0]]}{bases[sign[1:]]}" for sign in _PREFIXED.split()}
    regular = dict(entry.split(" ", 1) for entry in _REGULAR.split(", "))
    for sign, name in (bases | prefixed | regular).items():
        yield sign, (name, f"{name}s")
    for entry in _IRREGULAR.split(", "):
        sign, one, many = entry.split()
        yield sign, (one.replace("_", " "), many.replace("_", " "))
    for rate in _RATES:
        yield rate, (rate, f"{rate}s")


_NAMES = dict(_names())
_SIGN = "|".join(re.escape(sign) for sign in sorted(_NAMES.keys() - {*_RATES}, key=len, reverse=True))
_POWER = "[²³]|\\^[23](?!\\d)"
_PART = f"(?:{_SIGN})(?:{_POWER})?"
PATTERN = f"{_PART}(?:[/·⋅](?:{'|'.join(_RATES)}|{_PART}))*(?![\\w^²³])"
UNIT = re.compile(PATTERN)
_SPLIT = re.compile(f"([/·⋅]?)([^/·⋅²³^]+)({_POWER})?")
_LENGTHS = frozenset(["m", "nm", "µm", "μm", "mm", "cm", "dm", "km", "ft", "yd", "mi"])


def unit(sign: str, *, one: bool = False) -> str:
    """What `PATTERN` matched, as said behind a number: `km/h` is `kilometers per hour`."""
    said: list[str] = []
    below = False
    for link, base, power in _SPLIT.findall(sign):
        below = below or link == "/"
        name = _NAMES[base][0 if one or below else 1]
        exponent = power.strip("^").translate({ord("²"): "2", ord("³"): "3"})
        if exponent and base in _LENGTHS and not below:
            name = f"{'square' if exponent == '2' else 'cubic'} {name}"
        elif exponent:
            name += " squared" if exponent == "2" else " cubed"
        said.append(f"per {name}" if link == "/" else name)
    return " ".join(said)
