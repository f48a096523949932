"""Graph documents: what users draw, checked and resolved. Nothing here imports CrewAI."""

from __future__ import annotations

from .answers import read_answer as read_answer
from .declarations import Declaration as Declaration
from .difference import Change as Change
from .difference import find_changes as find_changes
from .document import AgentNode as AgentNode
from .document import DEFAULT_MODEL as DEFAULT_MODEL
from .document import Graph as Graph
from .document import Guardrail as Guardrail
from .document import LlmNode as LlmNode
from .document import MANAGER_MAX_ITER as MANAGER_MAX_ITER
from .document import Reference as Reference
from .document import TaskNode as TaskNode
from .estimate import estimate_calls as estimate_calls
from .estimate import ModelCalls as ModelCalls
from .hints import find_hint as find_hint
from .inputs import check_inputs as check_inputs
from .inputs import check_length as check_length
from .inputs import texts_of as texts_of
from .inputs_schema import inputs_schema as inputs_schema
from .jsonvalue import digest as digest
from .terms import Terms as Terms
from .validation import check_names as check_names
from .validation import check_use as check_use
from .validation import parse as parse
from .validation import validate as validate
