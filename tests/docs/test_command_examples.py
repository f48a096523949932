"""The commands of the documentation exist, with the options and addresses that it shows."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from celery.bin.celery import celery as celery_command
from flask import Flask
from flask.cli import FlaskGroup
from flask_migrate.cli import db as migrate_commands
from flower.options import options as flower_options
from gunicorn.config import Config
from werkzeug.exceptions import MethodNotAllowed

from flask_crewexec.cli.monitor import monitor
from sample_app.cli import add_commands
from support.deploy_files import DEPLOY
from support.deploy_files import read_yaml
from support.doc_examples import Example
from support.doc_examples import examples_of
from support.doc_examples import name_of
from support.doc_examples import PAGES
from support.paths import ROOT

pytestmark = pytest.mark.sqlite_enough

EXECUTION_ID = "01a222e2-c2e0-770c-9d30-190d6af1193f"
VARIABLES = {
    "$GRAPH_ID": EXECUTION_ID,
    "$ANOTHER_EXECUTION_ID": EXECUTION_ID,
    "$EXECUTION_ID": EXECUTION_ID,
    "$OTHER_ID": EXECUTION_ID,
    "$WEBHOOK_ID": EXECUTION_ID,
    "$REQUEST_ID": EXECUTION_ID,
    "$TOKEN": "token",
}
SHELL = {
    *(".", "cd", "cp", "createdb", "export", "install", "jq", "mkdir", "pg_dump", "pg_restore"),
    *("journalctl", "npm", "npx", "promtool", "python3", "tox", "useradd", "uv", "uvx"),
}
"""Commands that are not ours, without anything of ours in their arguments."""


def commands(example: Example) -> Iterator[list[str]]:
    """Yield the words of each command after a prompt, of pipelines and lists one by one."""
    text = re.sub(r"(\\|\|)\n", lambda end: end[1].replace("\\", " "), example.text)
    for line in text.splitlines():
        if line.startswith("$ "):
            command = re.sub(r"^\w+=\$\((.*)\)$", r"\1", line[2:].partition(" > ")[0])
            yield from split(command)


def split(command: str) -> Iterator[list[str]]:
    for name, value in VARIABLES.items():
        command = command.replace(name, value)
    words: list[str] = []
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    for word in lexer:
        if word in ("|", "&&", ";"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def commands_of(page: Path) -> Iterator[tuple[Example, list[str]]]:
    for example in examples_of(page):
        if example.language == "console":
            yield from ((example, words) for words in commands(example))
        elif example.language == "ini":
            starts = re.findall("^ExecStart=(.*)$", example.text, re.MULTILINE)
            yield from ((example, shlex.split(start)) for start in starts)


ENTERED = ROOT / "docs/tutorial.rst"
"""Its commands are entered by a test of their own."""


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != ENTERED and [*commands_of(page)]], ids=name_of
)
def test_commands_can_be_entered(
    page: Path, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("my_crew", "src/my_crew/config"):  # to be imported
        Path(folder).mkdir(parents=True)
    Path("answers.json").touch()  # to be read
    for example, (program, *words) in commands_of(page):
        try:
            check(example, program.rpartition("/")[2], words, app)
        except BaseException as error:
            error.add_note(f"{example}: {program} {shlex.join(words)}")
            raise


def check(example: Example, program: str, words: list[str], app: Flask) -> None:
    if program not in SHELL:
        CHECKS[program](example, words, app)


def check_flask(example: Example, words: list[str], app: Flask) -> None:
    option, _, *rest = words
    assert option == "--app"
    group = FlaskGroup(create_app=lambda: app)
    add_commands(app)
    group.add_command(migrate_commands)
    for command in app.cli.commands.values():
        group.add_command(command)
    parse(group, "flask", rest)


def parse(command: click.Command, name: str, words: list[str]) -> None:
    """Let click check the words without running anything."""
    if name in ("worker", "beat"):
        check_options(celery_command.commands[name], words, command)
        return
    with command.make_context(name, list(words)) as context:  # closes files
        if isinstance(command, click.Group):
            name_of_next, following, rest = command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
            assert following is not None
            parse(following, str(name_of_next), rest)


def check_options(command: click.Command, words: list[str], *others: click.Command) -> None:
    """Check the names of options: Celery's commands cannot be parsed without an app."""
    parameters = [each for one in (command, *others) for each in one.params]
    known = {name for each in parameters for name in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert given <= known


def check_celery(example: Example, words: list[str], app: Flask) -> None:
    option, _, name, *rest = words
    assert option == "-A"
    if name == "flower":
        given = {word.lstrip("-").partition("=")[0] for word in rest}
        assert all(option in flower_options for option in given)
        return
    command = monitor if name == "monitor" else celery_command.commands[name]
    check_options(command, rest)


def check_curl(example: Example, words: list[str], app: Flask) -> None:
    (url,) = (word for word in words if word.startswith("http://127.0.0.1:5000"))
    sends = any(word in ("-d", "--data") for word in words)
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if sends else "GET"
    path, _, query = url.removeprefix("http://127.0.0.1:5000").partition("?")
    with app.test_request_context(path, method=method):
        adapter = app.url_map.bind("127.0.0.1")
        try:
            endpoint, _ = adapter.match(path, method)
        except MethodNotAllowed as error:
            pytest.fail(f"{method} {path}: {error.valid_methods}")
    operation = described(app, path, method)
    known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    assert {each.partition("=")[0] for each in query.split("&") if each} <= known, endpoint


def described(app: Flask, path: str, method: str) -> dict[str, t.Any]:
    """Return what OpenAPI says about a route."""
    answer = app.test_client().get("/crewexec/openapi.json", headers={"X-User": "ada"})
    assert answer.json is not None
    template = re.sub(EXECUTION_ID, "{id}", path)
    for known, operations in answer.json["paths"].items():
        if re.sub(r"\{\w+\}", "{id}", known) == template:
            return t.cast("dict[str, t.Any]", operations[method.lower()])
    pytest.fail(f"OpenAPI does not describe {template}.")


def check_pip(example: Example, words: list[str], app: Flask) -> None:
    known = importlib.metadata.metadata("Flask-CrewExec").get_all("Provides-Extra") or []
    extras = re.findall(r"\[([\w,]+)\]", " ".join(words))
    assert {extra for several in extras for extra in several.split(",")} <= set(known)


def check_python(example: Example, words: list[str], app: Flask) -> None:
    assert words[0] in {each.caption for each in examples_of(example.page)}


def check_gunicorn(example: Example, words: list[str], app: Flask) -> None:
    Config().parser().parse_args(words)


def check_docker(example: Example, words: list[str], app: Flask) -> None:
    assert words[0] == "compose"
    services = read_yaml("container/compose.yaml")["services"]
    if words[1] == "up":
        assert {word for word in words[2:] if not word.startswith("--")} <= services.keys()
    if words[1] in ("exec", "run"):
        _, program, *rest = [word for word in words[2:] if word != "--rm"]
        assert words[words.index(program) - 1] in services
        if program == "flask":
            check_flask(example, ["--app", "myapp", *rest], app)


def check_systemctl(example: Example, words: list[str], app: Flask) -> None:
    units = {path.stem for path in (DEPLOY / "systemd").glob("*.service")}
    for name in (word for word in words if word.startswith("crews-")):
        assert re.sub("@.*", "@", name) in units


CHECKS: dict[str, Callable[[Example, list[str], Flask], None]] = {
    "celery": check_celery,
    "curl": check_curl,
    "docker": check_docker,
    "flask": check_flask,
    "gunicorn": check_gunicorn,
    "pip": check_pip,
    "python": check_python,
    "systemctl": check_systemctl,
}


def test_texts_name_commands_that_exist(app: Flask) -> None:
    group = t.cast(click.Group, app.cli.commands["crewexec"])
    text = " ".join(word for page in PAGES for word in page.read_text(encoding="utf-8").split())
    named = set(re.findall(r"``flask (?:--app \w+ )?crewexec ([\w-]+)", text))
    assert named
    assert named <= set(group.commands)
