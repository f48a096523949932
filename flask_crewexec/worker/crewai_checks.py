"""Checks of CrewAI and of what is registered, on the machine on which the command runs."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from ..app_state import AppState
from ..config.versions import CREWAI
from ..config.versions import CREWAI_FROM
from ..config.versions import CREWAI_TESTED_UP_TO
from ..config.versions import installed_version
from ..config.versions import release_of
from ..errors import WorkerMisconfigured
from ..registry.secrets import Secret
from ..registry.specs import resolve
from ..registry.tool_schemas import find_unusable
from ..services.checks.check import Check
from ..services.checks.check import error
from ..services.checks.check import ok
from ..services.checks.check import Result
from ..services.checks.check import unless_any
from ..services.checks.check import warning
from .preload import environment_problem
from .preload import model_problems
from .preload import unwritable_folders

IMPORT_SECONDS: t.Final = 120.0
"""How long CrewAI may take to be imported, on a slow machine."""
_CREDENTIALS: t.Final = re.compile(r"//[^/@\s]+@")
_EXTRA: t.Final = re.compile(r"crewai\[[\w,-]+\]")


def check_version(app_state: AppState) -> Iterator[Result]:
    """Check that the version of CrewAI is one that this package was tested with."""
    yield judge_version(installed_version(CREWAI))


def judge_version(installed: str | None) -> Result:
    """Return what there is to say about a version of CrewAI."""
    tested = f"{CREWAI_FROM} to {CREWAI_TESTED_UP_TO}"
    install = f"Install one of the tested versions, {tested}, or upgrade Flask-CrewExec."
    if installed is None:
        return error("CrewAI is not installed.", install)
    if release_of(installed) < release_of(CREWAI_FROM):
        return error(f"CrewAI {installed} is too old.", install)
    if release_of(installed) > release_of(CREWAI_TESTED_UP_TO):
        return warning(f"CrewAI {installed} is newer than the tested versions.", install)
    return ok(f"CrewAI {installed} is one of the tested versions.")


def check_environment(app_state: AppState) -> Iterable[Result]:
    """Check that CrewAI can be imported, connect to models, and write its files."""
    problem = environment_problem()
    if isinstance(problem, WorkerMisconfigured):
        return [error(problem.detail, "Correct or unset these variables where workers start.")]
    if problem is not None:
        return [
            error(
                f"CrewAI cannot be imported: {type(problem).__name__}.",
                "Run 'python -c \"import crewai\"', which shows the traceback.",
            )
        ]
    return unless_any(
        map(_unwritable, unwritable_folders()), "CrewAI can be imported, and can write its files."
    )


def _unwritable(folder: str) -> Result:
    return error(
        f"CrewAI cannot write to '{folder}'.",
        "Set 'CREWAI_STORAGE_DIR' to a folder that the user of the workers can write to.",
    )


def check_models(app_state: AppState) -> Iterable[Result]:
    """Check that each registered model can be built, without calling it."""
    if not app_state.registry.llms:
        return [
            warning(
                "No model is registered.",
                "Call 'crewexec.llm(\"default\", …)' next to the 'CrewExec' instance.",
            )
        ]
    problems = [_unusable(name, reason) for name, reason in model_problems(app_state)]
    return unless_any(
        [*problems, *_keys(app_state)], "Every registered model can be built; none was called."
    )


def _keys(app_state: AppState) -> Iterator[Result]:
    """Yield a warning for each model whose key, which is not that of a user, cannot be read."""
    for spec in app_state.registry.llms.values():
        if spec.api_key is None or isinstance(spec.api_key, Secret):
            continue
        try:
            problem = None if resolve(spec.api_key) else "it is empty"
        except Exception as reason:  # noqa: BLE001  # whatever the host's function raises
            problem = type(reason).__name__
        if problem:
            yield warning(
                f"The key of model '{spec.name}' cannot be read: {problem}.",
                "Set what its 'api_key' reads, in the environment of the workers.",
            )


def _unusable(name: str, reason: BaseException) -> Result:
    if isinstance(reason, ImportError):
        text = _CREDENTIALS.sub("//…@", str(reason))
        extra = _EXTRA.search(text)
        package = extra[0] if extra else "the package that its provider needs"
        return error(
            f"Model '{name}' cannot be used: a package is missing.",
            f"Install {package} where the workers run.",
        )
    return error(
        f"Model '{name}' cannot be used as it is registered: {type(reason).__name__}.",
        "Read the log of a worker: it says more when it starts.",
    )


def check_tools(app_state: AppState) -> Iterable[Result]:
    """Check that models can be told the arguments of each registered function."""
    remedy = "Give it a type such as 'str', 'list[int]' or a Pydantic model."
    found = find_unusable(app_state.registry.tools.values())
    return unless_any(
        (error(each.detail, remedy) for each in found), "Every registered tool can be described."
    )


CHECKS: t.Final = (
    Check("crewai", check_version),
    Check("crewai-environment", check_environment, seconds=IMPORT_SECONDS),
    Check("models", check_models, needs=("crewai-environment",), seconds=IMPORT_SECONDS),
    Check("tools", check_tools),
)
