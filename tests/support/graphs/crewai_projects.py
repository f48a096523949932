"""Projects that CrewAI's own command line creates."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def create_project(folder: Path, *options: str) -> Path:
    """Let ``crewai create crew`` make a project in *folder*, and return where it is."""
    command = [str(Path(sys.executable).with_name("crewai")), "create", "crew", "demo"]
    switches = {"CREWAI_DMN": "true", "CREWAI_DISABLE_TELEMETRY": "true", "HOME": str(folder)}
    subprocess.run(
        [*command, "--skip_provider", *options],
        cwd=folder,
        env={**os.environ, **switches},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return folder / "demo"


def created_by_crewai(folder: Path, *options: str) -> dict[str, str]:
    """Return the files that ``crewai create crew`` writes, as CrewAI's importer names them."""
    root = create_project(folder, *options)
    if "--classic" in options:
        return {path.name: path.read_text() for path in root.rglob("config/*.yaml")}
    paths = (root / "crew.jsonc", *(root / "agents").glob("*.jsonc"))
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}
