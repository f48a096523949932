"""A small host application; its worker processes import ``support.host_app.worker``.

Its models are declared once, as in most applications. The registry is made inside the factory, so
that each test has its own.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sys
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask import request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from flask_crewexec import CrewExec
from flask_crewexec import current_execution
from flask_crewexec import Identity
from flask_crewexec import Notification
from flask_crewexec import Secret
from support.fast_sqlite import skip_fsync

log = logging.getLogger(__name__)

KEY = "sk-scripted"
LLM_TIMEOUT = 120
"""Seconds, for calls that tests hold while a slow machine does something else."""
SECRET_KEY = "the host's own key, of which others are derived"
INTERVALS = {
    "CREWEXEC_KEEP_CALLS_FOR",
    "CREWEXEC_PURGE_INTERVAL",
    "CREWEXEC_RECONCILE_INTERVAL",
}
"""Settings that are seconds in the environment."""
ADMIN = "admin"
OWN_KEYS = {
    ("model", "ada"): "sk-own-key-of-ada-for-the-model",
    ("tool", "ada"): 'own"key/of&ada-for-a-tool',
    ("shout", "ada"): "own-key-of-ada-for-shouting",
    ("disk", "ada"): "own-key-of-ada-for-the-disk",
}


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Note(db.Model):  # type: ignore[name-defined]
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)


app_class: type[Flask] = Flask
"""Tests replace it, and the options, by what takes less time; benchmarks must not."""
engine_options: dict[str, t.Any] = {}


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """An application with settings from the environment, overridden by *config*."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite://")
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options
    app.config["MODEL_URL"] = os.environ.get("MODEL_URL", "http://127.0.0.1:9/v1")
    app.config["SECRET_KEY"] = SECRET_KEY
    app.config.from_prefixed_env("HOST")
    for key in app.config.keys() & INTERVALS:
        app.config[key] = dt.timedelta(seconds=app.config[key])
    app.config.update(config or {})

    db.init_app(app)
    with app.app_context():
        skip_fsync(db.engine)
    crewexec = CrewExec(app, db=db)
    crewexec.identity_loader(who_asks)
    models: dict[str, dict[str, t.Any]] = {"default": {}, "streaming": {"stream": True}}
    for name, options in models.items():
        url = app.config["MODEL_URL"]
        crewexec.llm(name, "gpt-4o-mini", base_url=url, api_key=KEY, timeout=LLM_TIMEOUT, **options)
    if misspelt := os.environ.get("MISSPELT_OPTION"):
        wrong: dict[str, t.Any] = {misspelt: 1}
        crewexec.llm("misspelt", "gpt-4o-mini", base_url=url, **wrong)
    add_tools(crewexec)

    @crewexec.storage("desk")
    def open_file(reference: str, user_id: str) -> bytes:
        return (Path(app.config["DESK"]) / user_id / reference).read_bytes()

    add_own_keys(crewexec)
    add_handler(crewexec)
    app.extensions["crewexec_host"] = crewexec
    return app


def add_own_keys(crewexec: CrewExec) -> None:
    """A model, and tools, for which each user brings a key."""
    crewexec.secret_provider(lambda name, user: OWN_KEYS.get((name, user)))
    url = os.environ.get("OWN_MODEL_URL", "http://127.0.0.1:9/v1")
    crewexec.llm("own", "gpt-4o-mini", base_url=url, api_key=Secret("model"), timeout=LLM_TIMEOUT)
    crewexec.add_crewai_tool(
        "shout",
        "support.external_tools:Shout",
        description="Shout a text.",
        options={"token": Secret("shout", template=" ({})")},
    )
    crewexec.add_mcp_server(
        "disk",
        tools={"token": "Tell the token.", "fail": "Fail."},
        command=[sys.executable, str(Path(__file__).parents[1] / "mcp_server.py")],
        env={"TOKEN": Secret("disk")},
    )

    @crewexec.tool("tell_key")
    def tell_key() -> str:
        """Tell what nobody should know, everywhere."""
        key = crewexec.secret("tool")
        log.warning("The key is %s.", key)
        print(f"The key is {key}.")
        return f"The key is {key}."


def add_handler(crewexec: CrewExec) -> None:
    """A handler that notes what it is told, if ``TOLD`` names the events.

    ``DIE_WHEN_TOLD`` is a file; if it does not exist yet, the process ends after the note.
    ``WAIT_WHEN_TOLD`` is a file that the handler waits for.
    """
    patterns = os.environ.get("TOLD", "").split()
    if not patterns:
        return

    @crewexec.on(*patterns, name="told")
    def note(notification: Notification) -> None:
        db.session.add(Note(text=f"{notification.id} {notification.type}"))
        db.session.commit()
        awaited = os.environ.get("WAIT_WHEN_TOLD")
        while awaited and not Path(awaited).exists():
            time.sleep(0.02)
        die = os.environ.get("DIE_WHEN_TOLD")
        if die and not Path(die).exists():
            Path(die).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def who_asks() -> Identity | None:
    user = request.headers.get("X-User")
    roles = request.headers.get("X-Roles", "").split()
    return Identity(user, may_manage_others=user == ADMIN, roles=roles) if user else None


def wait_until_there(path: str) -> str:
    Path(f"{path}.waiting").touch()
    while not Path(path).exists():
        time.sleep(0.02)
    return path


class AwaitedFile:
    """Validates a path; pydantic is imported only where tools are called."""

    def __get_pydantic_core_schema__(self, source: object, handler: t.Any) -> t.Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(wait_until_there, handler(source))


FileThatIsThere = t.Annotated[str, AwaitedFile()]


def add_tools(crewexec: CrewExec) -> None:
    @crewexec.tool("write_note")
    def write_note(text: str) -> str:
        """Write a note into the host's database."""
        db.session.add(Note(text=f"{current_execution.user_id}: {text}"))
        db.session.commit()
        return "written"

    @crewexec.tool("write_approved_note", approval="always")
    def write_approved_note(text: str) -> str:
        """Write a note into the host's database, if a person approves."""
        return write_note(text)

    @crewexec.tool("count_words")
    def count_words(text: str, at_least: int = 0) -> str:
        """Count the words of a text."""
        return str(max(at_least, len(text.split())))

    @crewexec.guardrail("no_urls")
    def no_urls(answer: str) -> bool | str:
        """Refuses links."""
        return f"{current_execution.user_id} wants no links." if "://" in answer else True

    @crewexec.guardrail("broken")
    def broken(answer: str) -> bool | str:
        """Says nothing that means anything."""
        return False

    @crewexec.guardrail("quits")
    def quits(answer: str) -> bool | str:
        """Raises what ends a process, as some libraries do."""
        if answer == "quit":
            raise SystemExit(2)
        return True

    @crewexec.predicate("is_long")
    def is_long(text: str, json: dict[str, object] | None) -> bool:
        """Asks whether the step before has written more than ten characters."""
        return len(text) > 10

    @crewexec.tool("break_down")
    def break_down() -> str:
        """Raise an error."""
        raise RuntimeError("the tool is broken")

    @crewexec.tool("say")
    def say(text: str) -> str:
        """Write a line into the log, and one to the terminal."""
        log.warning("A tool says: %s", text)
        print(f"A tool prints: {text}")
        return "said"

    @crewexec.tool("exit")
    def exit() -> str:
        """End the process."""
        raise SystemExit(1)

    @crewexec.tool("interrupt")
    def interrupt() -> str:
        """Raise what Ctrl+C raises."""
        raise KeyboardInterrupt

    @crewexec.tool("kill_itself")
    def kill_itself() -> str:
        """End the process as the kernel does when the memory is full."""
        os.kill(os.getpid(), signal.SIGKILL)
        return "never said"

    def die_once(path: str) -> str:
        """End the process, unless the file tells that it has done so before."""
        if not Path(path).exists():
            Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        with Path(path).open("a") as file:
            file.write(f"{current_execution.call_id}\n")
        return "survived"

    crewexec.tool("die_once")(die_once)
    crewexec.tool("die_and_fail", on_unknown="fail")(die_once)

    @crewexec.tool("wait_briefly", timeout=1.0)
    def wait_briefly(path: str) -> str:
        """Wait for a file, but not for long."""
        return f"{wait_for_file(path)} for {current_execution.user_id}"

    @crewexec.tool("leave_effect")
    def leave_effect(text: str, seconds: float = 0.0) -> str:
        """Work for some seconds before and after a row was inserted into the table "effect"."""
        time.sleep(seconds)
        values = {"call": current_execution.call_id, "text": text}
        db.session.execute(sa.text("insert into effect values (:call, :text)"), values)
        db.session.commit()
        time.sleep(seconds)
        return "left"

    @crewexec.tool("note_once_there")
    def note_once_there(path: FileThatIsThere) -> str:
        """Write a note; its argument is checked until the file is there."""
        return write_note(path)

    @crewexec.tool("append_line")
    def append_line(path: str, line: str) -> str:
        """Append a line to a file."""
        with Path(path).open("a") as file:
            file.write(f"{line}\n")
        return "appended"

    @crewexec.tool("wait_for_file")
    def wait_for_file(path: str) -> str:
        """Return as soon as a file is there; another one, ``.waiting``, tells that it waits."""
        wait_until_there(path)
        return "it is there"
