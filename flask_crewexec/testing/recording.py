"""A recorded execution, as ``flask crewexec record`` prints it."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .requests import Json

FORMAT: t.Final = "flask-crewexec-recording"
VERSION: t.Final = 1

Source: t.TypeAlias = str | os.PathLike[str] | Mapping[str, t.Any]
"""The path of a file, or what ``AsyncExecutionService.record`` returns."""


@dataclass(frozen=True)
class RecordedCall:
    """A model call of a recording that can be replayed."""

    number: int
    """Number of the call within its execution."""
    step: str | None
    agent: str | None
    messages: Sequence[Json]
    answer: Json | None
    """``{"text"}`` or ``{"tool_calls"}``, with ``finish_reason``; None if it has failed."""
    error_status: int | None
    """HTTP status of the failure."""
    usage: tuple[int, int]
    """Tokens of the prompt and of the answer."""

    @classmethod
    def of(cls, call: Mapping[str, t.Any]) -> t.Self:
        """Return the call that an entry of a recording describes."""
        failed, usage = call["error"] is not None, call["usage"]
        return cls(
            call["number"],
            call["step"],
            call["agent"],
            call["messages"],
            None if failed else call["answer"],
            call["error"].get("status") if failed else None,
            (usage["prompt_tokens"], usage["completion_tokens"]),
        )


@dataclass(frozen=True)
class Recording:
    """An execution whose model calls are replayed."""

    graph: Json
    """The document of the graph that was run."""
    inputs: Json
    user_id: str
    """Owner of the execution."""
    answers: Sequence[Json]
    """What people have answered, in order: ``decision``, with ``text``, ``value`` or
    ``arguments``; and what it was about: ``kind``, ``step_name``, ``tool`` and ``round``."""
    calls: Sequence[Json]
    """All calls: of models, tools and guardrails."""
    incomplete: Sequence[str]
    """Sentences that say what is missing."""

    @classmethod
    def load(cls, source: Source) -> t.Self:
        """Read a recording.

        :raises ValueError: if it is none, or of a newer version.
        """
        if isinstance(source, Mapping):
            return cls._of(source, "This")
        text = Path(source).read_text(encoding="utf-8")
        try:
            return cls._of(json.loads(text), f"'{os.fspath(source)}'")
        except json.JSONDecodeError as error:
            raise ValueError(f"'{os.fspath(source)}' is no recording: {error}.") from error

    @classmethod
    def _of(cls, data: t.Any, name: str) -> t.Self:
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise ValueError(
                f"{name} is no recording. Make one with 'flask crewexec record ID > run.json'."
            )
        if data["version"] != VERSION:
            raise ValueError(
                f"{name} is a recording of version {data['version']!r}; this version of"
                f" Flask-CrewExec reads version {VERSION}. Record the execution again."
            )
        names = ("graph", "inputs", "user_id", "answers", "calls", "incomplete")
        return cls(**{name: data[name] for name in names})

    @property
    def model_calls(self) -> list[RecordedCall]:
        """The calls of models that can be replayed."""
        models = [call for call in self.calls if call["kind"] == "model" and call["messages"]]
        found = [RecordedCall.of(call) for call in models]
        return [call for call in found if call.answer is not None or call.error_status]
