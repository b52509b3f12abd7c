import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.document import (
    MB,
    NAME_MAX,
    FileKind,
    FileTypeNotAllowed,
    Quota,
    QuotaExceeded,
    Usage,
    clean_filename,
    index_name,
    kind_of,
    numbered,
)
from domain.errors import Invalid
from domain.user import Role, UserId
from tests.builders import a_file

names = st.text(
    st.characters() | st.sampled_from("./\\ ._-\u200d\u0301\u202e\u3000\u00a0e\x00\n\u0958"), max_size=200
)


def cleaned(raw: str) -> str | None:
    try:
        return clean_filename(raw)
    except Invalid:
        return None


class TestCleanFilename:
    @pytest.mark.parametrize(
        ("raw", "clean"),
        [
            ("notes.pdf", "notes.pdf"),
            ("文档.pdf", "文档.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\Ann\\notes.pdf", "notes.pdf"),
            ("  . notes.pdf . ", "notes.pdf"),
            ("a\x00b\u202efdp.exe\u200b", "abfdp.exe"),
            ("e\u0301.txt", "\u00e9.txt"),
            ("e\u200d\u0301.txt", "\u00e9.txt"),
            ("\u00a0\u2003notes.pdf\u00a0", "notes.pdf"),
            (".bashrc", "bashrc"),
            ("con.txt", "_con.txt"),
            ("LPT1", "_LPT1"),
            ("com\u00b9.txt", "_com\u00b9.txt"),
            ("nul .txt", "_nul .txt"),
            ("CONIN$", "_CONIN$"),
            ("a\u3164\u034fb\u115f.txt", "ab.txt"),
            ("console.txt", "console.txt"),
            ("my \U0001f393 notes.md", "my \U0001f393 notes.md"),
        ],
    )
    def test_keeps_what_a_person_meant(self, raw: str, clean: str) -> None:
        assert clean_filename(raw) == clean

    @pytest.mark.parametrize(
        "raw", ["", ".", "..", " ", "a/", "\x00", "\u200b.\u202e", "...///", "\u00a0", "\u3164"]
    )
    def test_refuses_what_leaves_nothing(self, raw: str) -> None:
        with pytest.raises(Invalid, match="Invalid filename"):
            clean_filename(raw)

    def test_cuts_the_stem_and_keeps_the_extension(self) -> None:
        name = clean_filename("x" * 300 + ".pdf")
        assert name == "x" * 146 + ".pdf"
        assert clean_filename("x" * 140 + " . " * 20 + ".pdf") == "x" * 140 + ".pdf"
        assert clean_filename("y" * 300) == "y" * NAME_MAX
        assert clean_filename("z." + "y" * 300) == "z." + "y" * 148

    @given(names)
    def test_is_harmless(self, raw: str) -> None:
        name = cleaned(raw)
        if name is None:
            return
        assert 1 <= len(name) <= NAME_MAX
        assert not set(name) & set("/\\")
        assert not {unicodedata.category(c) for c in name} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert name == name.strip().strip(".")
        assert unicodedata.is_normalized("NFC", name)

    @given(names)
    def test_is_clean_already(self, raw: str) -> None:
        name = cleaned(raw)
        if name is not None:
            assert clean_filename(name) == name

    @given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=400))
    def test_keeps_the_extension(self, stem: str) -> None:
        assert clean_filename(f"{stem}.docx").endswith(".docx")


class TestKind:
    @pytest.mark.parametrize(
        ("name", "kind", "extension"),
        [
            ("a.PDF", FileKind.DOCUMENT, "pdf"),
            ("a.b.md", FileKind.DOCUMENT, "md"),
            ("a.JpEg", FileKind.IMAGE, "jpeg"),
            ("a.m4a", FileKind.AUDIO, "m4a"),
        ],
    )
    def test_is_told_by_the_extension(self, name: str, kind: FileKind, extension: str) -> None:
        assert kind_of(name) == (kind, extension)

    @pytest.mark.parametrize(
        ("name", "shown"), [("a.exe", ".exe"), ("pdf", "."), ("a.", "."), ("a." + "x" * 30, "." + "x" * 20)]
    )
    def test_of_anything_else_is_refused(self, name: str, shown: str) -> None:
        with pytest.raises(FileTypeNotAllowed) as refusal:
            kind_of(name)
        assert refusal.value.msg == (
            f"File type '{shown}' not allowed. Allowed types: images (jpeg, jpg, png), "
            "audio (m4a, mp3, wav), documents (docx, md, pdf, txt)"
        )

    def test_may_be_welcome_or_not(self) -> None:
        assert kind_of("a.pdf", FileKind.DOCUMENT, FileKind.IMAGE) == (FileKind.DOCUMENT, "pdf")
        with pytest.raises(FileTypeNotAllowed) as refusal:
            kind_of("a.png", FileKind.DOCUMENT, FileKind.AUDIO)
        assert refusal.value.msg == (
            "File type '.png' not allowed. "
            "Allowed types: audio (m4a, mp3, wav), documents (docx, md, pdf, txt)"
        )


class TestRoom:
    def test_ends_with_the_last_file_and_the_last_byte(self) -> None:
        quota = Quota(files=2, mb=1)
        quota.require_room(Usage(1, MB - 5), 5)
        with pytest.raises(QuotaExceeded, match=r"too many files \(max 2\)"):
            quota.require_room(Usage(2, 0), 1)
        with pytest.raises(QuotaExceeded, match=r"too large \(max 1 MB\)"):
            quota.require_room(Usage(1, MB - 5), 6)


def test_who_may_fetch_and_delete_a_file() -> None:
    own, public = a_file(UserId(1)), a_file(UserId(1), public=True)
    assert own.is_open_to(UserId(1), Role.STUDENT)
    assert not own.is_open_to(UserId(2), Role.ADMIN)
    assert not public.is_open_to(UserId(1), Role.STUDENT)
    assert public.is_open_to(UserId(2), Role.TUTOR)
    assert public.is_open_to(UserId(2), Role.ADMIN)


class TestNames:
    def test_index_names_hold_nothing_that_ends_a_filter(self) -> None:
        assert index_name("a\"b'c\\d%e[f](g){h}<i>.pdf") == "a_b_c_d_e_f__g__h__i_.pdf"
        assert index_name("Notes.MD") == "Notes.MD.txt"

    def test_are_numbered_before_the_extension(self) -> None:
        assert [numbered("a.tar.gz", n) for n in (1, 2, 3)] == ["a.tar.gz", "a.tar-2.gz", "a.tar-3.gz"]
        assert numbered("raw", 2) == "raw-2"

    @given(names, st.integers(1, 50), st.integers(1, 50))
    def test_numbered_ones_differ_and_keep_the_extension(self, raw: str, one: int, other: int) -> None:
        name = cleaned(raw)
        if name is None:
            return
        assert (numbered(name, one) == numbered(name, other)) == (one == other)
        if "." in name:
            assert numbered(name, one).rpartition(".")[2] == name.rpartition(".")[2]

    def test_of_a_file_as_the_client_knows_it(self) -> None:
        file = a_file(name="Notes.PDF", stored_name="20250101_000000_Notes.PDF")
        assert (file.path, file.extension) == ("uploads/1/20250101_000000_Notes.PDF", "pdf")
