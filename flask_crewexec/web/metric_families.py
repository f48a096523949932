"""Every metric of the service: its name, type, meaning and labels.

Labels are statuses, priorities and names of queues, never users.
"""

from __future__ import annotations

import typing as t

from ..storage import counters


class MetricFamily(t.NamedTuple):
    """Metrics that differ in their labels only."""

    name: str
    """Without the suffix ``_total`` of a counter."""
    type: t.Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()


UP: t.Final = MetricFamily(
    "crewexec_up", "gauge", "Whether a part of the service answers and accepts writes.", ("part",)
)
EXECUTIONS: t.Final = MetricFamily(
    "crewexec_executions", "gauge", "Executions that have not ended, by status.", ("status",)
)
EXECUTIONS_ON_HOLD: t.Final = MetricFamily(
    "crewexec_executions_on_hold",
    "gauge",
    "Queued executions on hold, which the scheduler has not released yet.",
    ("priority",),
)
QUEUE_MESSAGES: t.Final = MetricFamily(
    "crewexec_queue_messages", "gauge", "Messages in the queue.", ("queue", "priority")
)
QUEUE_PAUSED: t.Final = MetricFamily(
    "crewexec_queue_paused", "gauge", "Whether the queue of executions is paused: 1, or else 0."
)
WORKERS: t.Final = MetricFamily(
    "crewexec_workers", "gauge", "Workers with a recent heartbeat, by queue.", ("queue",)
)
WORKER_SLOTS: t.Final = MetricFamily(
    "crewexec_worker_slots",
    "gauge",
    "Tasks that these workers can run at once, by queue; none of those that drain.",
    ("queue",),
)
WORKERS_DRAINING: t.Final = MetricFamily(
    "crewexec_workers_draining",
    "gauge",
    "Workers that were told to take nothing new, by queue.",
    ("queue",),
)
OPEN_STREAMS: t.Final = MetricFamily("crewexec_open_streams", "gauge", "Open event streams.")
EXECUTIONS_ENDED: t.Final = MetricFamily(
    f"crewexec_{counters.ENDED}", "counter", "Executions that have ended, by status.", ("status",)
)
RETRIES: t.Final = MetricFamily(
    f"crewexec_{counters.RETRIES}",
    "counter",
    "Attempts that are retried automatically after an error.",
)
LOST_WORKERS: t.Final = MetricFamily(
    f"crewexec_{counters.LOST_WORKERS}",
    "counter",
    "Attempts that ended because their worker was lost.",
)
MODEL_CALLS: t.Final = MetricFamily(f"crewexec_{counters.MODEL_CALLS}", "counter", "Model calls.")
PURGED_CALLS: t.Final = MetricFamily(
    f"crewexec_{counters.PURGED_CALLS}",
    "counter",
    "Model calls, tool calls and checks that were removed after their time in the call log.",
)
NOTIFICATIONS: t.Final = MetricFamily(
    f"crewexec_{counters.NOTIFICATIONS}",
    "counter",
    "Notifications that were delivered, or given up after the last try.",
    ("outcome",),
)
NOTIFICATIONS_WAITING: t.Final = MetricFamily(
    "crewexec_notifications_waiting", "gauge", "Notifications that were not delivered yet."
)
NOTIFICATION_DELAY: t.Final = MetricFamily(
    "crewexec_notification_delay_seconds",
    "gauge",
    "For how long the oldest one has been due; 0 if none is.",
)
INPUT_REQUESTS: t.Final = MetricFamily(
    "crewexec_input_requests", "gauge", "Input requests that people have not answered yet."
)
INPUT_REQUEST_AGE: t.Final = MetricFamily(
    "crewexec_input_request_age_seconds",
    "gauge",
    "For how long the oldest one has been open; 0 if none is.",
)
INPUT_SECONDS: t.Final = MetricFamily(
    f"crewexec_{counters.INPUT}",
    "histogram",
    "Seconds that input requests were open, by outcome: answered or expired.",
    ("outcome",),
)
TOKENS: t.Final = MetricFamily(
    f"crewexec_{counters.TOKENS}", "counter", "Prompt and completion tokens of models.", ("kind",)
)
WAITING_SECONDS: t.Final = MetricFamily(
    f"crewexec_{counters.WAITING}",
    "histogram",
    "Seconds that attempts have waited for a worker.",
    ("priority",),
)
RUN_SECONDS: t.Final = MetricFamily(
    f"crewexec_{counters.RUN}",
    "histogram",
    "Seconds that attempts have run, by outcome.",
    ("outcome",),
)

FAMILIES: t.Final = (
    UP,
    EXECUTIONS,
    EXECUTIONS_ON_HOLD,
    QUEUE_MESSAGES,
    QUEUE_PAUSED,
    WORKERS,
    WORKER_SLOTS,
    WORKERS_DRAINING,
    OPEN_STREAMS,
    EXECUTIONS_ENDED,
    RETRIES,
    LOST_WORKERS,
    MODEL_CALLS,
    TOKENS,
    PURGED_CALLS,
    NOTIFICATIONS,
    NOTIFICATIONS_WAITING,
    NOTIFICATION_DELAY,
    INPUT_REQUESTS,
    INPUT_REQUEST_AGE,
    INPUT_SECONDS,
    WAITING_SECONDS,
    RUN_SECONDS,
)
