import numpy as np
import pytest

from adapters.talking_head.mouths import REST, STEP, Phone, hummed, spoken, target


def said(*phones: tuple[str, float]) -> list[Phone]:
    return [Phone(symbol, seconds) for symbol, seconds in phones]


@pytest.mark.parametrize("symbol", "pbm")
def test_lips_close_for_every_labial_however_short(symbol: str) -> None:
    track = spoken(said(("ɑ", 0.12), (symbol, 0.015), ("ɑ", 0.12)))

    closed = [index for index, contact in enumerate(track.contacts) if contact == "lips"]
    assert len(closed) * STEP >= 0.05  # a picture of 25 a second falls into it
    assert all(track.openings[index] == 0 for index in closed)
    assert track.openings.max() > 0.7


def test_open_and_closed_rounded_and_spread() -> None:
    assert target("ɑ").opening > target("ɛ").opening > target("ɪ").opening
    assert target("u").width < 0 < target("i").width
    assert target("f").contact == "lip"
    assert target("θ").contact == "tongue"
    assert target("s").contact == "teeth"
    assert target(" ") == target("_") == target("?") == REST


def test_every_phoneme_of_the_voice_has_a_mouth() -> None:
    assert all(target(symbol) != REST for symbol in "pbmfvθðszʃʒtdnlɾkɡŋhɹɚɜwjaɑɐæʌəɛeɪiᵻɔouʊ")


def test_lips_round_before_an_oo_is_heard() -> None:
    rounded = spoken(said(("t", 0.1), ("u", 0.2)))
    spread = spoken(said(("t", 0.1), ("i", 0.2)))

    during_t = int(0.08 / STEP)
    assert rounded.widths[during_t] < -0.2 < 0.2 < spread.widths[during_t]


def test_nothing_jumps_but_contacts() -> None:
    track = spoken(
        said(("h", 0.05), ("ɛ", 0.08), ("l", 0.06), ("ˈ", 0.01), ("o", 0.1), ("ʊ", 0.1), ("_", 0.2))
    )

    assert np.abs(np.diff(track.openings)).max() < 0.2
    assert track.openings[-1] < 0.05  # at rest again


def test_stress_and_length_belong_to_their_sounds() -> None:
    track = spoken(said(("ˈ", 0.1), ("ɑ", 0.1), ("ː", 0.1)))

    assert track.seconds == pytest.approx(0.3, abs=1.5 * STEP)
    assert track.openings.min() > 0.8


def test_outside_of_the_sound_the_mouth_rests() -> None:
    track = spoken(said(("ɑ", 0.2)))

    assert track.at(0.1).opening > 0.8
    assert track.at(-1) == track.at(5) == spoken([]).at(0) == REST


def test_a_sound_without_words_opens_the_mouth_when_it_is_loud() -> None:
    rate = 48_000
    times = np.arange(rate) / rate
    tone = (8000 * np.sin(2 * np.pi * 200 * times)).astype(np.int16)
    silence = np.zeros(rate, np.int16)

    track = hummed(np.concatenate([silence, tone, silence]), rate)

    assert track.seconds == pytest.approx(3, abs=STEP)
    assert track.at(0.5).opening == track.at(2.5).opening == 0
    assert track.at(1.5).opening > 0.5
    assert hummed(silence[:10], rate).at(0) == REST
