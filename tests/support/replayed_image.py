"""A Dockerfile whose steps are done in a folder, since there is no Docker where tests run."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
import site
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path


class Step(t.NamedTuple):
    """One instruction of a Dockerfile."""

    instruction: str
    argument: str


def steps_of(dockerfile: Path) -> Iterator[Step]:
    """Yield the instructions, each in one line and without comments."""
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, argument = line.partition(" ")
            yield Step(instruction, " ".join(argument.split()))


class ReplayedImage:
    """What an image would contain, in a folder.

    All stages share the folder, so what one copies from another must keep its place. The
    dependencies are those of the tests, which ``pip`` finds in the environment that a step makes.

    :param context: the folder with what is copied.
    :param folder: what stands for the root of the image.
    """

    def __init__(self, dockerfile: Path, context: Path, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self.user = ""
        (folder / "etc").mkdir(parents=True)
        for name in ("group", "passwd"):
            shutil.copy(f"/etc/{name}", folder / "etc")
        self.working_directory = folder
        self._context = context
        self._folder = folder
        for step in steps_of(dockerfile):
            getattr(self, f"_{step.instruction.lower()}")(step.argument)

    def path(self, path: str) -> Path:
        """Return where a path of the image is."""
        return self._folder / path.lstrip("/")

    def _from(self, argument: str) -> None:
        """Begin a stage, as the user who builds and without the environment of the one before."""
        self.environment, self.user = {}, "root"

    def _env(self, argument: str) -> None:
        for pair in shlex.split(argument):
            name, _, value = pair.partition("=")
            self.environment[name] = value.replace(":$PATH", "")

    def _workdir(self, argument: str) -> None:
        self.working_directory = self.path(argument)
        self.working_directory.mkdir(parents=True)

    def _user(self, argument: str) -> None:
        self.user = argument

    def _copy(self, argument: str) -> None:
        *options, source, target = shlex.split(argument)
        if options:
            assert source == target
            assert self.path(source).exists()
            return
        found = self._context / source
        place = self.working_directory / target
        if found.is_dir():
            shutil.copytree(found, place)
        else:
            shutil.copy(found, place)

    def _run(self, argument: str) -> None:
        places = r"(?<![\w/])/(?=venv|srv)"
        words = shlex.split(re.sub(places, f"{self._folder}/", argument))
        if words[0] == "python":
            words[0] = sys.executable
        elif words[0] in ("groupadd", "useradd"):
            words.insert(1, f"--prefix={self._folder}")
        done = subprocess.run(
            words, cwd=self.working_directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if words[1:3] == ["-m", "venv"]:
            _share_dependencies(Path(words[3]))


def _share_dependencies(environment: Path) -> None:
    """Let an environment find what is installed for the tests, but not the package itself."""
    links = environment / "dependencies"
    links.mkdir()
    for folder in site.getsitepackages():
        for found in Path(folder).iterdir():
            if "flask_crewexec" not in found.name:
                (links / found.name).symlink_to(found)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{links}\n", encoding="utf-8")
    for program in ("celery", "flask", "gunicorn"):
        _write_program(environment / "bin" / program)


def _write_program(path: Path) -> None:
    """Write what pip would, had it installed the dependency."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=path.name)
    imports = f"import sys\nfrom {entry.module} import {entry.attr}"
    text = f"#!{path.with_name('python')}\n{imports}\nsys.exit({entry.attr}())\n"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
