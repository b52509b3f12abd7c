"""The embedded model: which file it is, and whether its bytes are the ones they should be.

examples:
  virtual-tutor models
  LLM_MODEL_FILE=/models/qwen2.5-7b-instruct-q4_k_m.gguf virtual-tutor serve      a larger one of your own
  LLM_URL=openai+http://localhost:11434/v1 LLM_MODEL=llama3.1:8b virtual-tutor serve
"""

import argparse
import hashlib
from pathlib import Path

from adapters.data_files import DataFileMissing, packaged_file
from entrypoints.children import weights
from entrypoints.cli.console import BOLD, DIM, say, settings_with_warnings, styled
from entrypoints.settings import Settings

SUMMARY = "show the embedded model and check its file"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=["list"], default="list", help="what to do")


def run(arguments: argparse.Namespace) -> int:
    settings = settings_with_warnings()
    in_use = settings.llm_model_file if settings.llm_is_embedded else None
    bundled_in_use = settings.llm_is_embedded and in_use is None
    ok = _show_bundled(bundled_in_use)
    if settings.llm_model_file:
        _show(settings.llm_model_file, settings.llm_model_file.name, _sha256(settings.llm_model_file), in_use)
    if not settings.llm_is_embedded:
        say("", "Neither is in use: LLM_URL names another model server.")
    return 0 if ok or not bundled_in_use else 1


def weights_file(settings: Settings) -> Path:
    """The file the embedded model server is to run, the bundled one checked. Raises DataFileMissing or
    DataFileDamaged."""
    return settings.llm_model_file or weights.bundled_model(settings.data_dir / "run")


def _show_bundled(in_use: bool) -> bool:
    try:
        file = packaged_file(weights.PACKAGE, weights.FILE)
        found = _sha256(file)
    except DataFileMissing as error:
        say(f"{weights.NAME} (bundled): {error}")
        return False
    verdict = "as it should be" if found == weights.SHA256 else f"WRONG, expected {weights.SHA256}"
    _show(file, f"{weights.NAME} (bundled)", f"{found} ({verdict})", file if in_use else None)
    return found == weights.SHA256


def _show(file: Path, name: str, sha256: str, in_use: Path | None) -> None:
    say(
        f"{styled(name, BOLD)}{'  in use' if file == in_use else ''}",
        f"  file    {file}",
        f"  size    {file.stat().st_size / 1e6:.0f} MB",
        f"  sha256  {styled(sha256, DIM)}",
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
