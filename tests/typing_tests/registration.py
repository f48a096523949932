"""What a host registers, as its type checker sees it.

``mypy`` checks the files of this folder; nothing runs them. A comment ``type: ignore`` marks what
must be an error: ``warn_unused_ignores`` complains if it is none.
"""

from __future__ import annotations

import io
import os
import typing as t

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_crewexec import Approval
from flask_crewexec import CrewExec
from flask_crewexec import current_execution
from flask_crewexec import ExecutionContext
from flask_crewexec import Identity
from flask_crewexec import Notification
from flask_crewexec import Secret

app = Flask(__name__)
db = SQLAlchemy()
crewexec = CrewExec(db=db)

t.assert_type(crewexec.init_app(app), None)
CrewExec(app, db)
CrewExec(app, bind_key="crews", metadata=sa.MetaData())
CrewExec(db="sqlite://")  # type: ignore[arg-type]


# A decorated function keeps its signature.
@crewexec.tool("find_orders", timeout=20, roles={"buyer"}, max_output_chars=2_000)
def find_orders(customer: str, limit: int = 10) -> list[str]:
    return [f"{current_execution.user_id} {customer}"] * limit


t.assert_type(find_orders("ada", limit=2), list[str])
find_orders(7)  # type: ignore[arg-type]


@crewexec.tool("pay", approval=lambda arguments, user_id: arguments["euros"] > 100)
def pay(euros: int) -> None: ...


@crewexec.tool("refund", approval=Approval(roles={"accountant"}, decisions=["approve", "edit"]))
def refund(euros: int) -> None: ...


crewexec.tool("book", approval={"accountant"})
crewexec.tool("wire", approval="sometimes")  # type: ignore[arg-type]
crewexec.tool("send", approval={"roles": ["accountant"]})  # type: ignore[arg-type]
crewexec.tool(pay)  # type: ignore[arg-type]
crewexec.add_mcp_server("files", tools={"delete": "Delete."}, approval={"delete": "always"})


@crewexec.guardrail("is_short", description="At most ten characters.")
def is_short(answer: str) -> bool | str:
    return len(answer) <= 10 or "It is too long."


t.assert_type(is_short("Yes."), bool | str)


@crewexec.guardrail("takes_no_text")  # type: ignore[type-var]
def takes_no_text() -> bool:
    return True


@crewexec.predicate("has_results")
def has_results(text: str, data: dict[str, t.Any] | None) -> bool:
    return bool(text or data)


t.assert_type(has_results("", None), bool)


@crewexec.storage("desk")
def open_file(reference: str, user_id: str) -> io.BytesIO:
    return io.BytesIO(f"{user_id}/{reference}".encode())


t.assert_type(open_file("letter.txt", "ada"), io.BytesIO)


@crewexec.identity_loader
def load_identity() -> Identity | None:
    return Identity("ada", may_manage_others=True, roles={"buyer"})


t.assert_type(load_identity(), Identity | None)


class User(t.NamedTuple):
    id: int


@crewexec.user_loader
def load_user(user_id: str) -> User | None:
    return User(int(user_id)) if user_id.isdecimal() else None


t.assert_type(load_user("7"), User | None)
own_execution: ExecutionContext[User] = current_execution
t.assert_type(own_execution.user, User)
t.assert_type(own_execution.user.id, int)
own_execution.user.age  # type: ignore[attr-defined]  # noqa: B018


@crewexec.user_loader  # type: ignore[type-var]
def load_user_by_number(user_id: int) -> User | None:
    return User(user_id)


@crewexec.on("execution.completed")
def tell(notification: Notification[User]) -> None:
    t.assert_type(notification.user, User)


# Whoever does not say what users are needs no type argument.
def tell_anybody(notification: Notification, execution: ExecutionContext) -> None:
    t.assert_type(notification.user, t.Any)
    t.assert_type(execution.user, t.Any)


@crewexec.secret_provider
def find_secret(name: str, user_id: str) -> str | None:
    return os.environ.get(f"{name}_{user_id}")


t.assert_type(find_secret("openai", "ada"), str | None)

own_key = Secret("openai", default=lambda: os.environ["OPENAI_API_KEY"])
t.assert_type(own_key.name, str)
t.assert_type(crewexec.secret(own_key), str)
t.assert_type(crewexec.secret("openai"), str)
own_key.name = "other"  # type: ignore[misc]

crewexec.llm("default", "gpt-4o-mini", api_key=own_key, temperature=0.2)
crewexec.llm("spare", lambda: os.environ["MODEL_NAME"], base_url="http://127.0.0.1/v1")
crewexec.llm("unnamed", None)  # type: ignore[arg-type]
crewexec.add_crewai_tool("scrape", "crewai_tools:ScrapeWebsiteTool", description="Read a page.")
crewexec.add_mcp_server("files", tools={"read": "Read a file."}, headers={"X-Key": own_key})
