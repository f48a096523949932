"""Every requirement is locked; the version of any other would depend on the day."""

from __future__ import annotations

import configparser
import tomllib
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS: dict[str, list[t.Any]] = PYPROJECT["dependency-groups"]


def requirements(*groups: str) -> list[str]:
    """Return what the package, its extras and some groups require."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    return [*"\n".join(lists).split(), *of_groups(groups)]


def of_groups(groups: Iterable[str]) -> Iterator[str]:
    """Yield what groups require, with the groups that they include."""
    for group in groups:
        for entry in GROUPS[group]:
            if isinstance(entry, str):
                yield entry
            else:
                yield from of_groups([entry["include-group"]])


def pinned(file: str) -> dict[str, Requirement]:
    """Return the locked requirements of a file by their names."""
    lines = (ROOT / "constraints" / file).read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


@pytest.mark.parametrize(
    ("file", "groups"), [("locked.txt", ["dev"]), ("lowest.txt", ["build", "tests"])]
)
def test_each_requirement_is_locked_within_its_range(file: str, groups: list[str]) -> None:
    pins = pinned(file)
    wrong = []
    for requirement in map(Requirement, requirements(*groups)):
        pin = pins.get(canonicalize_name(requirement.name))
        version = str(pin.specifier).removeprefix("==") if pin else None
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} is locked as {pin}")
    assert not wrong, f"Run 'tox -e lock', and commit constraints/{file}: {wrong}"
