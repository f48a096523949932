"""The sample's command ``up``, and the screenshots that its pages give to the documentation."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator

import pytest

from flask_crewexec.testing import ScriptedModel
from sample_app.demo.script import ANSWERS
from sample_app.demo.script import rules
from support.screenshots import TakeScreenshot
from support.screenshots import write
from support.servers.browser import Browser
from support.servers.sample_command import Gate
from support.servers.sample_command import Sample
from support.servers.sample_command import sample_commands

HELD = {
    "story": ("Tell the story of the month", 30),
    "tips": ("Give three tips for the garden", 18),
    "newsletter": ("Save a summary of the newsletter", 12),
}
"""Answers that tests see arrive: a part of the task, and how many words come first."""


@pytest.fixture(scope="module")
def sample(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Sample]:
    gates = {name: Gate() for name in HELD}
    model = ScriptedModel()
    for name, (part, words) in HELD.items():
        text = (ANSWERS / f"{name}.md").read_text()
        after_tool = True if name == "newsletter" else None
        model.add(gates[name].rule(part, text, words, after_tool=after_tool))
    # Only who looks at the bars of a timeline needs a model that takes its time.
    model.add(*rules(0.03 if pytestconfig.getoption("screenshots") else 0.0))
    with model, sample_commands(tmp_path_factory.mktemp("sample")) as start:
        variables = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": model.key}
        command = start("up", MODEL_NAME="scripted", **variables)
        command.wait_for("/sign-in?token=")
        yield Sample(command.link(), model, gates)
        for gate in gates.values():
            gate.open()
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0, command.text()
        assert command.left_behind() == []


@pytest.fixture
def signed_in(browser: Browser, sample: Sample) -> Browser:
    browser.open(sample.link)
    browser.wait_for("#user", "demo")
    return browser


@pytest.fixture
def screenshot(signed_in: Browser, pytestconfig: pytest.Config) -> TakeScreenshot:
    """A function that writes a screenshot, if pytest was given ``--screenshots``."""
    if pytestconfig.getoption("screenshots"):
        return functools.partial(write, signed_in)
    return lambda *args, **options: None
