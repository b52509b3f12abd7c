"""The real voice and the real dictionary: both are data of installed packages."""

import numpy as np
import pytest

from adapters.talking_head.english import English
from adapters.talking_head.looks import LOOKS, Tone
from adapters.talking_head.onnx_outputs import output_of, with_output
from adapters.talking_head.voice import RATE, Utterance, Voice


@pytest.fixture(scope="module")
def english() -> English:
    return English()


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice(Tone())


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Hello!", "hɛlˈoʊ!"),
        ("the apple, the book", "ði ˈæpəl, ðə bˈʊk"),
        ("water", "wˈɔːɾɚ"),
        ("about", "ɐbˈaʊt"),
        ("wanted roses", "wˈɔːntᵻd ɹˈoʊzᵻz"),
        ("church", "tʃˈɜːtʃ"),
        ("I have read it", "aɪ hæv ɹˈɛd ɪt"),
        ("you read it", "juː ɹˈiːd ɪt"),
        ("to record the record", "tə ɹɪkˈɔːɹd ðə ɹˈɛkɚd"),
        ("student's", "stˈuːdənts"),
        (",,, hello ,.", "hɛlˈoʊ,"),
        ("世界", ""),
        ("", ""),
    ],
)
def test_phonemes(english: English, text: str, phonemes: str) -> None:
    assert english.phonemes(text) == phonemes


def test_unknown_words_are_guessed(english: English) -> None:
    assert english.phonemes("blorptastic") == "blˈɔːɹptˈæstɪk"
    assert english.phonemes("blorptastic's").startswith("blˈɔːɹptˈæstɪk")
    assert len(english.phonemes("qzx" * 500)) < 200


def spoken(voice: Voice, text: str) -> list[Utterance]:
    return list(voice.speak(text))


def test_a_sentence_lasts_as_long_as_it_should(voice: Voice) -> None:
    (said,) = spoken(voice, "Photosynthesis turns sunlight into energy.")

    assert 1.8 < said.seconds < 4.5
    assert said.mouth.seconds == pytest.approx(said.seconds, abs=0.06)
    level = np.sqrt((said.sound.astype(float) ** 2).mean())
    assert 500 < level < 8000
    assert said.mouth.openings.max() > 0.5
    assert "lips" not in said.mouth.contacts  # there is no m, b or p in it


def test_where_the_mouth_is_open_there_is_sound(voice: Voice) -> None:
    (said,) = spoken(voice, "Mama, papa, mama, papa.")
    block = RATE // 100
    count = min(len(said.sound) // block, len(said.mouth.contacts))
    loudness = np.abs(said.sound[: count * block].astype(float)).reshape(count, block).mean(1)

    opened = said.mouth.openings[:count] > 0.6
    closed = np.array([contact == "lips" for contact in said.mouth.contacts[:count]])
    assert opened.any()
    assert closed.any()
    assert loudness[opened].mean() > 2 * loudness[closed].mean()


def test_long_texts_come_in_pieces(voice: Voice) -> None:
    pieces = voice.speak("One sentence. Another one! And a third, which nobody will ever ask for?")

    assert 0.5 < next(pieces).seconds < 3
    assert 0.5 < next(pieces).seconds < 3


@pytest.mark.parametrize("text", ["", "   ", "...", "你好，世界！", "🙂", "\ud83d", "\x00"])
def test_what_cannot_be_said_is_left_out(voice: Voice, text: str) -> None:
    assert spoken(voice, text) == []


def test_tones_differ_in_pitch_but_not_much_in_pace() -> None:
    text = "All of them say the very same words, at about the same pace."
    pitches, lengths = [], []
    for look in LOOKS.values():
        said = spoken(Voice(look.tone), text)
        sound = np.concatenate([part.sound for part in said]).astype(float)
        pitches.append(_pitch(sound))
        lengths.append(len(sound) / RATE)

    assert max(pitches) / min(pitches) > 1.15
    assert max(lengths) / min(lengths) < 1.45


def _pitch(sound: np.ndarray) -> float:
    """Of the voiced parts, in Hz, by autocorrelation."""
    found = []
    for start in range(0, len(sound) - 2400, 1200):
        part = sound[start : start + 2400]
        if np.sqrt((part**2).mean()) < 1500:
            continue
        likeness = np.correlate(part, part, "full")[2399:]
        lag = 160 + int(likeness[160:800].argmax())
        if likeness[lag] > 0.5 * likeness[0]:
            found.append(RATE / lag)
    return float(np.median(found))


def test_a_model_can_be_asked_for_an_inner_value() -> None:
    node = b'\x12\x06/Out_0"\x04Ceil'
    assert output_of(b"xxxx" + node + b"yyyy", "Ceil") == "/Out_0"
    assert with_output(b"model", "/Out_0") == b"model" + b"\x3a\x0a\x62\x08\x0a\x06/Out_0"
    with pytest.raises(ValueError, match="no Floor"):
        output_of(node, "Floor")
