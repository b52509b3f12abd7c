from pathlib import Path

import pytest

from entrypoints.cli.main import COMMANDS, command, main
from entrypoints.cli.settings import markdown
from entrypoints.settings import checkout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"virtual-tutor {name}" in shown


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    assert all(command(name).SUMMARY in " ".join(shown.split()) for name in COMMANDS)


def test_the_configuration_page_is_the_generated_one() -> None:
    root = checkout()
    assert root is not None

    assert (root / "docs" / "configuration.md").read_text("utf-8") == markdown() + "\n", "run: task docs"


def test_no_name_of_the_table_appears_twice_in_the_page(tmp_path: Path) -> None:
    names = [line.split("`")[1] for line in markdown().splitlines() if line.startswith("| `")]

    assert len(names) == len(set(names)) > 70
