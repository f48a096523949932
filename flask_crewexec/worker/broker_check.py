"""A step of Celery's consumer that ends a worker whose broker it must not use.

With a node of a cluster, Celery's own steps would be redirected and start again and again. From a
queue of another application, the worker would take messages that it cannot run.
"""

from __future__ import annotations

import logging
import typing as t

from celery import bootsteps
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import current_app_state
from ..errors import BrokerUnavailable
from ..messaging.broker import refuse_cluster
from ..messaging.broker_faults import fault_of
from ..messaging.broker_faults import is_unsuitable
from .queue_claim import claim_queues
from .queue_claim import release_queues

log = logging.getLogger(__name__)


class CheckBroker(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Runs first, and again before each new connection, since the broker may have been away."""

    def include(self, parent: t.Any) -> None:
        """Put the step before those that already send commands."""
        super().include(parent)
        parent.steps.insert(0, parent.steps.pop())

    def start(self, parent: t.Any) -> None:
        """Check the broker, and claim the queues.

        :raises WorkerShutdown: if it is a node of a cluster, or another application has claimed a
            queue.
        """
        with parent.app.flask_app.app_context():
            app_state, consumed = current_app_state(), set(parent.app.amqp.queues.consume_from)
            try:
                refuse_cluster(app_state)
                claim_queues(app_state, consumed)
            except BrokerUnavailable as error:
                if is_unsuitable(error):
                    release_queues(app_state, consumed)  # those that were free
                    fault = fault_of(error)
                    log.critical("This worker cannot run. %s %s", fault.detail, fault.remedy)
                    raise WorkerShutdown(EX_FAILURE) from error
                # Whatever else it is, Celery's next step waits for the broker.
            except SQLAlchemyError:
                log.warning("The database is unavailable; queues are claimed later.", exc_info=True)
