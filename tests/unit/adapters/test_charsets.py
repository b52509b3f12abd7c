import pytest

from adapters.extraction.charsets import decoded
from adapters.extraction.reading import Refused, Why

TEXTS = {
    "simplified": (
        "海洋覆盖地球表面的大约百分之七十一。海水的平均深度是三千六百米，"
        "最深的地方在马里亚纳海沟。细胞是生命的基本单位，线粒体为细胞提供能量。"
    ),
    "traditional": (
        "海洋覆蓋地球表面的大約百分之七十一。海水的平均深度是三千六百公尺，"
        "最深的地方在馬里亞納海溝。細胞是生命的基本單位，粒線體為細胞提供能量。"
    ),
    "japanese": "海は地球の表面の約七十一パーセントを覆っています。細胞は生命の単位です。",
    "korean": "바다는 지구 표면의 약 71퍼센트를 덮고 있다. 세포는 생명의 기본 단위이다.",
    "german": "Schöne Grüße aus München, wo die Straßen größer wirken als früher. Übung macht den Meister.",
    "french": "La cellule est l’unité élémentaire de la vie ; c’est là où l’énergie est libérée, même l’été.",
    "russian": "Океан покрывает около семидесяти одного процента поверхности Земли. Клетка - единица жизни.",
    "hebrew": "האוקיינוס מכסה כשבעים ואחד אחוזים משטח כדור הארץ. התא הוא יחידת החיים הבסיסית.",
}


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("simplified", "gb18030"),
        ("simplified", "utf-16-le"),
        ("simplified", "utf-16-be"),
        ("traditional", "big5"),
        ("traditional", "utf-16-le"),
        ("japanese", "shift_jis"),
        ("japanese", "euc_jp"),
        ("japanese", "utf-16-be"),
        ("korean", "cp949"),
        ("korean", "utf-16-le"),
        ("german", "cp1252"),
        ("german", "utf-16-be"),
        ("french", "cp1252"),
        ("russian", "cp1251"),
        ("russian", "koi8_r"),
        ("hebrew", "utf-16-le"),
    ],
)
@pytest.mark.parametrize("times", [1, 30])
def test_texts_in_any_common_encoding(language: str, encoding: str, times: int) -> None:
    text = (TEXTS[language] + "\n") * times

    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_utf_8_and_what_is_marked_are_taken_at_their_word(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert decoded(text.encode(encoding)) == text


def test_a_large_text_is_not_cut_within_a_character_to_be_recognised() -> None:
    text = "海水深。\n" * 60_000

    assert decoded(b"\n" + text.encode("gb18030")) == "\n" + text


def test_one_broken_byte_does_not_make_another_encoding() -> None:
    text = TEXTS["simplified"] * 3

    assert decoded(text.encode()[:-1]) == text[:-1] + "\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfea",
        b"plain\x00enough",
        bytes(range(256)) * 20,
        b"\x00\xd8" * 100,
        b"\x00\x01\x02\x03" * 1000,
        bytes(n * 7919 % 251 + 1 for n in range(5000)),
    ],
    ids=["half a character", "NUL", "all bytes", "surrogates", "counters", "noise"],
)
def test_what_is_no_text(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decoded(data)

    assert caught.value.why is Why.MISMATCH
