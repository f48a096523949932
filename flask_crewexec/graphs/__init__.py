"""Graph documents: parsing, validation, inputs, changes. Nothing here imports CrewAI."""

from __future__ import annotations

from .approval import APPROVAL_DECISIONS as APPROVAL_DECISIONS
from .approval import ApprovalTerms as ApprovalTerms
from .approval import GraphApproval as GraphApproval
from .approval import HostApproval as HostApproval
from .approval import OnApprovalExpiry as OnApprovalExpiry
from .approval import required_terms as required_terms
from .call_estimate import estimate_calls as estimate_calls
from .call_estimate import ModelCalls as ModelCalls
from .diff import Change as Change
from .diff import find_changes as find_changes
from .graph import AgentNode as AgentNode
from .graph import ASK_PERSON as ASK_PERSON
from .graph import DEFAULT_MODEL as DEFAULT_MODEL
from .graph import Graph as Graph
from .graph import Guardrail as Guardrail
from .graph import LlmNode as LlmNode
from .graph import MANAGER_MAX_ITER as MANAGER_MAX_ITER
from .graph import OnUnknown as OnUnknown
from .graph import Reference as Reference
from .graph import strictest as strictest
from .graph import TaskNode as TaskNode
from .hints import find_hint as find_hint
from .input_types import Declaration as Declaration
from .input_values import check_inputs as check_inputs
from .input_values import check_length as check_length
from .input_values import texts_of as texts_of
from .inputs_schema import inputs_schema as inputs_schema
from .json_answers import find_mismatch as find_mismatch
from .json_answers import read_answer as read_answer
from .json_values import digest as digest
from .permissions import Permissions as Permissions
from .problem_codes import PROBLEM_CODES as PROBLEM_CODES
from .references import find_unknown as find_unknown
from .review import Review as Review
from .role_limits import RoleLimits as RoleLimits
from .validation import check_names as check_names
from .validation import check_use as check_use
from .validation import parse as parse
from .validation import validate as validate
