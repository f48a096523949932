"""The files in ``deploy``, which the documentation shows and operators copy."""

from __future__ import annotations

import typing as t

import yaml

from support.paths import ROOT

DEPLOY: t.Final = ROOT / "deploy"


def read_yaml(name: str) -> t.Any:
    """Return what a file of ``deploy`` contains, such as ``container/compose.yaml``."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def seconds(text: str) -> int:
    """Return a duration of Compose or Prometheus in seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return int(text[:-1]) * units[text[-1]]
