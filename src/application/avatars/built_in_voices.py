from collections.abc import Mapping

from typing_extensions import override

from application.ports.voices import Voices
from domain.catalogue import Voice

_TIMBRES = (
    "Default",
    *(f"Male{letter}" for letter in "ABCDEF"),
    *(f"Female{letter}" for letter in "ABCDEF"),
    *(f"ChineseMale{letter}" for letter in "ABC"),
    *(f"ChineseFemale{letter}" for letter in "AB"),
)
_VOICES = {
    "cosyvoice": Voice(full_name="CosyVoice2", clone=True, license="Apache-2.0"),
    "edgeTTS": Voice(full_name="edgeTTS", license="LGPL-3.0", timbres=_TIMBRES, cur_timbre="Default"),
    "tacotron": Voice(
        full_name="TacoTron2", license="BSD-3-Clause", timbres=("Default",), cur_timbre="Default"
    ),
    "sovits": Voice(full_name="GPT-SoViTs", clone=True, license="MIT"),
}


class BuiltInVoices(Voices):
    """What the usual installations of a live server can speak with."""

    @override
    async def all(self) -> Mapping[str, Voice]:
        return _VOICES
