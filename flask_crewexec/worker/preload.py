"""What a worker imports and runs before its pool forks."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import logging
from collections.abc import Iterator

from ..app_state import AppState
from ..errors import WorkerMisconfigured
from ..registry.tool_schemas import find_unusable

log = logging.getLogger(__name__)


def freeze_memory() -> None:
    """Share as much memory as possible with processes that are forked later.

    Free memory is returned to the system, and the garbage collector no longer writes to the
    objects that exist now.
    """
    gc.collect()
    if trim := getattr(
        ctypes.CDLL(None), "malloc_trim", None
    ):  # of glibc, which otherwise keeps freed memory
        trim(0)
    gc.freeze()


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Look for no garbage in imports: they leave hardly any, and each look takes longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def import_runtime() -> None:
    """Import CrewAI and what runs crews with it."""
    from ..runtime import runner  # noqa: F401


@functools.cache
def preload_runtime() -> None:
    """Import CrewAI and run a warm-up crew, so that processes forked later share its memory.

    :raises SystemExit: if it cannot be imported, or nothing can connect to models in this
        environment; Celery would only log the error of a signal handler and go on.
    """
    try:
        with _without_garbage_collection():
            import_runtime()
            from ..runtime.crewai_shims.tested_version import warn_if_untested
            from ..runtime.start_checks import check_environment
            from ..runtime.warm_up import warm_up
    except Exception as error:
        log.critical("This worker cannot run crews.", exc_info=True)
        raise SystemExit(f"CrewAI cannot be loaded: {error}") from error
    warn_if_untested()
    try:
        check_environment()
    except WorkerMisconfigured as error:
        log.critical("%s", error, exc_info=True)
        raise SystemExit(f"{error.detail} {error.__cause__}") from error
    try:
        warm_up()
    except Exception:  # a hook of the host may have raised it; real crews may still work
        log.warning("The warm-up crew failed.", exc_info=True)


def check_registered(app_state: AppState) -> None:
    """Log each registered model or tool that no run could use. The runtime must be loaded."""
    from ..runtime import start_checks

    start_checks.check_models(app_state)
    start_checks.check_approvals(app_state)
    for problem in find_unusable(app_state.registry.tools.values()):
        log.error("%s", problem.detail, exc_info=problem.__cause__)


def model_problems(app_state: AppState) -> list[tuple[str, BaseException]]:
    """Return the name of each registered model that no run could use, with the reason.

    This imports CrewAI, but runs no warm-up crew.
    """
    from ..runtime import start_checks

    return list(start_checks.model_problems(app_state))


def environment_problem() -> BaseException | None:
    """Return why no model could be reached from this process, or CrewAI could not be imported."""
    try:
        from ..runtime.start_checks import check_environment

        check_environment()
    except Exception as error:  # noqa: BLE001  # a broken installation may raise anything
        return error
    return None


def unwritable_folders() -> list[str]:
    """Return the folders of CrewAI that this user cannot write to. CrewAI must be loaded."""
    from ..runtime.crewai_shims import environment

    return environment.unwritable_folders()
