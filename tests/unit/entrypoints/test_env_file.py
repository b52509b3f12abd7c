from pathlib import Path

import pytest

from entrypoints.env_file import read_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("  export NAME = value  ", "value"),
        ("NAME=value # a comment", "value"),
        ("NAME=a#b", "a#b"),
        ("NAME=# nothing", ""),
        ("NAME=", ""),
        ("NAME='a # b'", "a # b"),
        ('NAME="a b" # a comment', "a b"),
        ("NAME=a=b", "a=b"),
        ("NAME=$OTHER", "$OTHER"),
        ("NAME='it''s'", "it''s"),
    ],
)
def test_a_line_sets_a_value(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# a comment\n\n{line}\n")

    assert read_env_file(file).values == {"NAME": value}


def test_a_missing_file_sets_nothing(tmp_path: Path) -> None:
    found = read_env_file(tmp_path / ".env")

    assert (found.values, found.problems) == ({}, [])


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe\x00")

    assert read_env_file(file).problems == [f"{file} cannot be read: it is not UTF-8 text"]
