"""Tables for the host's database.

The mixins are the contract. The default models are declared on a private base that shares the
host's metadata, so it does not matter whether the host uses Flask-SQLAlchemy,
Flask-SQLAlchemy-Lite or plain SQLAlchemy, and its migrations see our tables as its own.

To add columns, subclass a mixin on your own base, keep its ``__tablename__``, and pass the class
to :class:`flask_crewexec.CrewExec`::

    class Execution(ExecutionMixin, db.Model):
        project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
"""

from __future__ import annotations

from .call import CallMixin as CallMixin
from .counter import CounterMixin as CounterMixin
from .definition import define_models as define_models
from .definition import Models as Models
from .delivery import DeliveryMixin as DeliveryMixin
from .event import EventMixin as EventMixin
from .execution import ExecutionMixin as ExecutionMixin
from .execution import Progress as Progress
from .graph import GraphMixin as GraphMixin
from .graph import GraphVersionMixin as GraphVersionMixin
from .input_request import InputAssigneeMixin as InputAssigneeMixin
from .input_request import InputRequestMixin as InputRequestMixin
from .installation import InstallationMixin as InstallationMixin
from .mixin import IndexSpec as IndexSpec
from .mixin import is_user_column as is_user_column
from .mixin import table_of as table_of
from .own_columns import copied_values as copied_values
from .own_columns import own_columns as own_columns
from .step import StepMixin as StepMixin
from .unmapped import is_plain as is_plain
from .unmapped import unmapped_execution as unmapped_execution
from .unmapped import UnmappedExecution as UnmappedExecution
from .usage import Usage as Usage
from .webhook import WebhookMixin as WebhookMixin
from .worker import WorkerMixin as WorkerMixin
