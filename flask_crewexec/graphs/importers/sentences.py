"""Words for problems of files: those of YAML, JSON and Python instead of nodes and edges."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...errors import Problem
from ..hints import find_hint
from ..permissions import Permissions
from .import_result import Json

_WORDS: t.Final[Mapping[str, tuple[str, str]]] = {
    "task-without-agent": (
        "The task has no agent. Give it one.",
        'An "agent": the name of one of the agents. If "crew.py" names it, send that file, too.',
    ),
    "no-manager": (
        "A hierarchical crew needs a manager. Name one.",
        'A "manager_agent" or "manager_llm", in the crew or as an option.',
    ),
    "manager-in-sequential": (
        "Only a hierarchical crew has a manager. Change the process, or remove the manager.",
        'The process "hierarchical", or no manager.',
    ),
    "manager-with-tools": (
        "The manager cannot use tools. Remove its tools.",
        "Tools of the other agents.",
    ),
    "manager-with-task": (
        "The manager cannot have tasks. Give the task another agent, or none.",
        "Tasks of the other agents, or without an agent.",
    ),
    "async-reads-async": (
        "The task runs at the same time as one that it reads. Remove that from its context.",
        'A "context" of tasks that have ended by then.',
    ),
    "unused-agent": (
        "The agent has no task. Give it a task, or remove it.",
        'A task whose "agent" it is.',
    ),
    "no-agents": ("The crew has no agent. Add at least one.", "An agent with a role and a goal."),
    "no-tasks": (
        "The crew has no task. Add at least one.",
        "A task with a description, an expected output and an agent.",
    ),
}
"""Sentence and hint by code."""
_HINTS: t.Final[Mapping[str, str]] = {
    "duplicate-field": "Each field once.",
    "invalid-json": "JSON, which may have comments and trailing commas.",
    "invalid-python": "The text of a file that Python 3 can run.",
    "invalid-yaml": "Plain YAML: texts, numbers, lists and mappings.",
    "missing-file": 'For example {"agents.yaml": "…", "tasks.yaml": "…", "crew.py": "…"}.',
    "missing-name": "The name of a file, or the field 'name'.",
    "no-crew": "A file with a crew.",
    "one-crew": "One crew for each import.",
    "one-file": "One file for each import.",
    "too-complex": "The files that define the crew, without others.",
    "too-deep": "Fewer levels of nested lists, objects or calls.",
    "too-long": "The files that define the crew, without others.",
    "too-many": "Fewer of them, or several crews.",
    "wrong-order": "Each task once.",
    "yaml-alias": "The value itself, without an alias.",
    "yaml-tag": "Plain texts, numbers, lists and mappings.",
}


def in_words_of_files(problem: Problem, document: Json, permissions: Permissions) -> Problem:
    """Return a problem of a *document* with a sentence and a hint for people who wrote files."""
    if problem.code in _WORDS:
        detail, hint = _WORDS[problem.code]
        return problem._replace(detail=detail, hint=hint)
    return problem._replace(hint=find_hint(problem, document, permissions))


def with_hint(problem: Problem) -> Problem:
    """Return a problem of files with a hint."""
    if problem.hint:
        return problem
    hint = _HINTS.get(problem.code) or find_hint(problem, {}, Permissions((), ()))
    return problem._replace(hint=hint)
