"""A step of Celery's consumer that ends a worker which takes a node of a cluster for its broker.

Celery's own steps would be redirected by the cluster and start again and again.
"""

from __future__ import annotations

import logging
import typing as t

from celery import bootsteps
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE

from ..app_state import current_app_state
from ..errors import BrokerUnavailable
from ..messaging.broker import refuse_cluster
from ..messaging.broker_faults import CLUSTER
from ..messaging.broker_faults import fault_of

log = logging.getLogger(__name__)


class RefuseCluster(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Runs first, and again before each new connection, since the broker may have been away."""

    def include(self, parent: t.Any) -> None:
        """Put the step before those that already send commands."""
        super().include(parent)
        parent.steps.insert(0, parent.steps.pop())

    def start(self, parent: t.Any) -> None:
        """Check the broker.

        :raises WorkerShutdown: if it is a cluster.
        """
        with parent.app.flask_app.app_context():
            try:
                refuse_cluster(current_app_state())
            except BrokerUnavailable as error:
                if fault_of(error) is CLUSTER:
                    log.critical("This worker cannot run. %s %s", error, CLUSTER.remedy)
                    raise WorkerShutdown(EX_FAILURE) from error
                # Whatever else it is, Celery's next step waits for the broker.
