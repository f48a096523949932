"""The host's own user, in the functions that work for an execution."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from flask_crewexec import current_execution
from flask_crewexec import Secret
from flask_crewexec.testing import Rule
from support.deliveries import deliver
from support.deliveries import deliveries
from support.graphs import documents
from support.host_app import host
from support.in_process import column
from support.in_process import run
from support.input_requests import reviewed


class Base(DeclarativeBase):
    pass


class Account(Base):
    """A user of the host, whose key is a number."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list[Order]] = relationship(lazy="select", order_by="Order.id")


class Order(Base):
    __tablename__ = "account_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))


@pytest.fixture
def crewexec(app):
    """With the account 7, which loads its user as the documentation shows."""
    Base.metadata.create_all(host.db.engine)
    host.db.session.add(Account(id=7, name="Ada", orders=[Order(id=1), Order(id=2)]))
    host.db.session.commit()
    host.db.session.remove()
    crewexec = app.extensions["crewexec_host"]

    @crewexec.user_loader
    def load_user(user_id):
        return host.db.session.get(Account, int(user_id)) if user_id.isdecimal() else None

    return crewexec


@pytest.fixture
def seven(api, crewexec):
    """The API for the account 7."""
    api.user = "7"
    return api


def use_tool(model, tool):
    model.add(Rule(tool=(tool, {}), after_tool=False, times=1))
    model.on(after_tool=True, reply="done")
    return documents.chain("a", tools=(tool,))


def error_of(api, id):
    return api.status(id)["error"]["code"]


class TestTools:
    def test_a_tool_gets_the_users_row_with_what_belongs_to_it(self, crewexec, seven, model):
        seen = []

        @crewexec.tool("list_orders", timeout=20)
        def list_orders() -> str:
            """List the orders of the user."""
            user = current_execution.user
            seen.append((user.name, [order.id for order in user.orders]))
            assert current_execution.user is user
            assert user in host.db.session
            return "listed"

        id = seven.queue(use_tool(model, "list_orders"))
        assert run(id) == "completed"
        assert seen == [("Ada", [1, 2])]

    def test_the_session_ends_with_the_call(self, crewexec, seven, model):
        sessions = []

        @crewexec.tool("greet")
        def greet() -> str:
            """Greet the user."""
            name = current_execution.user.name
            sessions.append(host.db.session())
            assert sessions[0].in_transaction()
            return f"Hello {name}"

        assert run(seven.queue(use_tool(model, "greet"))) == "completed"
        (session,) = sessions
        assert not session.in_transaction()
        assert not session.identity_map

    def test_each_call_loads_its_own_user_once(self, crewexec, seven, model):
        """Objects of one session must not be shared by threads."""
        loaded, users = [], []
        loader = crewexec._user_loaders[0]
        crewexec._user_loaders[0] = lambda id: loaded.append(id) or loader(id)

        @crewexec.tool("look", timeout=20)
        def look() -> str:
            """Look at the user."""
            users.append((current_execution.user, current_execution.user, threading.get_ident()))
            return "seen"

        model.add(Rule("Do a", tool=("look", {}), after_tool=False, times=1))
        model.add(Rule("Do b", tool=("look", {}), after_tool=False, times=1))
        model.on(after_tool=True, reply="done")
        assert run(seven.queue(documents.chain("a", "b", tools=("look",)))) == "completed"
        assert loaded == ["7", "7"]
        (first, again, _), (second, _, _) = users
        assert first is again
        assert first is not second

    def test_a_user_who_is_gone_ends_the_run_before_the_next_call(self, crewexec, seven, model):
        @crewexec.tool("greet")
        def greet() -> str:
            """Greet the user."""
            return f"Hello {current_execution.user.name}"

        id = seven.queue(use_tool(model, "greet"))
        host.db.session.execute(sa.delete(Order))
        host.db.session.execute(sa.delete(Account))
        host.db.session.commit()
        assert run(id) == "failed"
        assert error_of(seven, id) == "user-missing"
        assert column(id, "llm_calls") == 1

    def test_a_loader_that_fails_is_told_as_an_error_of_the_tool(
        self, crewexec, seven, model, caplog
    ):
        def fail(user_id):
            raise RuntimeError("the directory is closed")

        crewexec._user_loaders[0] = fail

        @crewexec.tool("greet")
        def greet() -> str:
            """Greet the user."""
            return f"Hello {current_execution.user.name}"

        assert run(seven.queue(use_tool(model, "greet"))) == "completed"
        assert "could not load its user" in model.calls[1].body["messages"][-1]["content"]
        assert "directory" not in model.calls[1].prompt
        assert "the directory is closed" in caplog.text


def gone(crewexec):
    crewexec._user_loaders[0] = lambda user_id: None


def failing(crewexec):
    def fail(user_id):
        raise RuntimeError("the directory is closed")

    crewexec._user_loaders[0] = fail


@pytest.mark.sqlite_enough
@pytest.mark.parametrize(
    ("make", "outcome", "code"),
    [(gone, "failed", "user-missing"), (failing, "retrying", "user-loader-unavailable")],
    ids=["gone", "failing"],
)
class TestOtherFunctions:
    def test_a_guardrail(self, crewexec, seven, make, outcome, code):
        @crewexec.guardrail("signed")
        def signed(answer: str) -> bool | str:
            """Wants the name of the user."""
            return current_execution.user.name in answer or "Sign it."

        self.check(crewexec, seven, guarded("signed"), make, outcome, code)

    def test_a_storage(self, crewexec, seven, make, outcome, code):
        @crewexec.storage("archive")
        def open_file(reference: str, user_id: str) -> str:
            return f"{reference} of {current_execution.user.name}"

        document = documents.crew(
            [documents.agent("writer"), documents.task("a", "Read {report}")],
            ["writer a"],
            inputs={"report": {"type": "file"}},
        )
        self.check(crewexec, seven, document, make, outcome, code, report="archive:x")

    def test_who_is_asked(self, crewexec, seven, make, outcome, code):
        if make is failing:
            code = "assignment-failed"

        @crewexec.assign
        def assign(question):
            return {"users": [current_execution.user.name]}

        self.check(crewexec, seven, reviewed(), make, outcome, code)

    def test_a_secret(self, crewexec, seven, make, outcome, code):
        if make is failing:
            code = "secret-provider-unavailable"
        crewexec._secret_providers[0] = lambda name, user_id: current_execution.user.name
        url = current_url()
        crewexec.llm("personal", "gpt-4o-mini", base_url=url, api_key=Secret("personal"))
        document = documents.chain("a", model="personal")
        self.check(crewexec, seven, document, make, outcome, code)

    def check(self, crewexec, seven, document, make, outcome, code, **inputs):
        id = seven.queue(document, inputs=inputs)
        make(crewexec)
        assert run(id) == outcome
        assert error_of(seven, id) == code


def current_url():
    from flask import current_app

    return current_app.config["MODEL_URL"]


def guarded(name):
    return documents.with_data(documents.chain("a"), "a", guardrails=[{"name": name}])


@pytest.mark.sqlite_enough
class TestApprovals:
    @pytest.fixture
    def document(self, crewexec, model):
        @crewexec.tool("pay", approval=lambda arguments, _: current_execution.user.name != "Ada")
        def pay() -> str:
            """Pay."""
            return "paid"

        return use_tool(model, "pay")

    def test_the_user_decides_whether_a_call_needs_approval(self, seven, document):
        assert run(seven.queue(document)) == "completed"

    def test_nobody_is_asked_for_a_user_who_is_gone(self, crewexec, seven, document):
        id = seven.queue(document)
        gone(crewexec)
        assert run(id) == "failed"
        assert error_of(seven, id) == "user-missing"

    def test_people_are_asked_if_the_user_cannot_be_loaded(self, crewexec, seven, document):
        id = seven.queue(document)
        failing(crewexec)
        assert run(id) == "waiting_input"


class TestHandlers:
    def test_a_handler_gets_the_user(self, crewexec, seven, model):
        told = []

        @crewexec.on("execution.completed", name="told")
        def tell(notification):
            told.append((notification.user.name, len(notification.user.orders)))

        assert run(seven.queue(documents.chain("a"))) == "completed"
        deliver()
        assert told == [("Ada", 2)]

    @pytest.mark.sqlite_enough
    def test_a_user_who_is_gone_is_told_by_the_delivery(self, crewexec, seven, model):
        crewexec.on("execution.completed", name="told")(lambda notification: notification.user)
        assert run(seven.queue(documents.chain("a"))) == "completed"
        gone(crewexec)
        deliver()
        (row,) = deliveries()
        assert (row.status, row.answer["code"]) == ("waiting", "user-missing")


@pytest.mark.sqlite_enough
class TestRegistration:
    def test_there_is_one_loader(self, crewexec):
        with pytest.raises(RuntimeError, match="already a user loader"):
            crewexec.user_loader(lambda user_id: None)

    def test_without_a_loader_the_message_says_what_to_do(self, app, api, model):
        crewexec = app.extensions["crewexec_host"]

        @crewexec.tool("greet")
        def greet() -> str:
            """Greet the user."""
            return f"Hello {current_execution.user.name}"

        assert run(api.queue(use_tool(model, "greet"))) == "completed"
        assert "@crewexec.user_loader" in model.calls[1].body["messages"][-1]["content"]
