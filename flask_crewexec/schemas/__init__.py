"""What comes in and goes out, as marshmallow schemas.

Requests refuse fields that they do not know. Answers are described by the same schemas that
make them, so the OpenAPI document cannot drift from the routes.
"""

from __future__ import annotations

from .executions import CancellationSchema as CancellationSchema
from .executions import ErrorSchema as ErrorSchema
from .executions import EventPageSchema as EventPageSchema
from .executions import EventQuerySchema as EventQuerySchema
from .executions import EventSchema as EventSchema
from .executions import EventWaitSchema as EventWaitSchema
from .executions import ExecutionLimitsSchema as ExecutionLimitsSchema
from .executions import ExecutionPageSchema as ExecutionPageSchema
from .executions import ExecutionQuerySchema as ExecutionQuerySchema
from .executions import ExecutionSchema as ExecutionSchema
from .executions import ExecutionStatusSchema as ExecutionStatusSchema
from .executions import LastEventIdHeaderSchema as LastEventIdHeaderSchema
from .executions import MAX_WAIT_SECONDS as MAX_WAIT_SECONDS
from .executions import PreferHeaderSchema as PreferHeaderSchema
from .executions import ProgressSchema as ProgressSchema
from .executions import ResultSchema as ResultSchema
from .executions import StepSchema as StepSchema
from .fields import MAX_INTEGER as MAX_INTEGER
from .fields import Moment as Moment
from .fields import Text as Text
from .fields import UserId as UserId
from .graphs import CopySchema as CopySchema
from .graphs import GraphDocumentSchema as GraphDocumentSchema
from .graphs import GraphPageSchema as GraphPageSchema
from .graphs import GraphQuerySchema as GraphQuerySchema
from .graphs import GraphRequestSchema as GraphRequestSchema
from .graphs import GraphSchema as GraphSchema
from .graphs import ModelCallsSchema as ModelCallsSchema
from .graphs import ValidationSchema as ValidationSchema
from .imports import ExportQuerySchema as ExportQuerySchema
from .imports import ExportSchema as ExportSchema
from .imports import ImportedGraphSchema as ImportedGraphSchema
from .imports import ImportPreviewSchema as ImportPreviewSchema
from .imports import ImportQuerySchema as ImportQuerySchema
from .imports import ImportSchema as ImportSchema
from .imports import NoteSchema as NoteSchema
from .operations import HealthSchema as HealthSchema
from .operations import QueuesSchema as QueuesSchema
from .operations import WorkerSchema as WorkerSchema
from .pages import MAX_PAGE as MAX_PAGE
from .pages import PageQuerySchema as PageQuerySchema
from .problems import HintedProblemSchema as HintedProblemSchema
from .problems import ProblemItemSchema as ProblemItemSchema
from .problems import ProblemSchema as ProblemSchema
from .registry import RegisteredFunctionSchema as RegisteredFunctionSchema
from .registry import RegisteredModelSchema as RegisteredModelSchema
from .registry import RegisteredStorageSchema as RegisteredStorageSchema
from .registry import RegisteredToolSchema as RegisteredToolSchema
from .registry import RegistrySchema as RegistrySchema
from .submissions import CancelRequestSchema as CancelRequestSchema
from .submissions import CancelSchema as CancelSchema
from .submissions import DryRunQuerySchema as DryRunQuerySchema
from .submissions import DryRunSchema as DryRunSchema
from .submissions import IdempotencyHeaderSchema as IdempotencyHeaderSchema
from .submissions import IdempotencyKeySchema as IdempotencyKeySchema
from .submissions import LimitsSchema as LimitsSchema
from .submissions import MAX_TIMEOUT as MAX_TIMEOUT
from .submissions import OrderSchema as OrderSchema
from .submissions import OwnerSchema as OwnerSchema
from .submissions import QueueRequestSchema as QueueRequestSchema
from .submissions import ThreadSchema as ThreadSchema
from .task_events import CleanupEventSchema as CleanupEventSchema
from .task_events import ExecutionEventSchema as ExecutionEventSchema
from .usage import DayUsageSchema as DayUsageSchema
from .usage import UsageQuerySchema as UsageQuerySchema
from .usage import UsageReportSchema as UsageReportSchema
from .usage import UsageSchema as UsageSchema
from .validation import from_messages as from_messages
from .validation import load as load
from .validation import refusal as refusal
from .versions import ChangeSchema as ChangeSchema
from .versions import DifferenceSchema as DifferenceSchema
from .versions import DiffQuerySchema as DiffQuerySchema
from .versions import GraphVersionPageSchema as GraphVersionPageSchema
from .versions import GraphVersionSchema as GraphVersionSchema
from .versions import IfMatchHeaderSchema as IfMatchHeaderSchema
from .versions import VersionPageQuerySchema as VersionPageQuerySchema
from .versions import VersionQuerySchema as VersionQuerySchema
