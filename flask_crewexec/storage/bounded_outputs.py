"""Outputs and other contents, of which only as much is read as fits into one answer.

The database compares their sizes, so what does not fit never gets into the memory of this process.
"""

from __future__ import annotations

import itertools
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from ..models import ExecutionMixin
from ..models import Models
from ..models import StepMixin
from ..statuses import ExecutionStatus


class BoundedOutputs(t.NamedTuple):
    """The result and the steps of an execution, in order, and what was left out."""

    result: dict[str, t.Any] | None
    steps: Sequence[StepMixin]
    omitted_steps: frozenset[int]
    """Positions of the steps whose outputs were not read; their texts are None."""
    result_omitted: bool
    """Whether the result was not read; it is None then, too."""


NO_OUTPUTS: t.Final = BoundedOutputs(None, (), frozenset(), False)
"""Those of an execution that has not started: unless it is a fork, it has no steps until then."""


def load_outputs(
    session: Session, models: Models, execution: ExecutionMixin, max_chars: int
) -> BoundedOutputs:
    """Return the result and the outputs, without the largest ones if they are too large together.

    :param max_chars: maximum length of all, as they are stored. The result comes first.
    """
    result, length = _read_result(session, models, execution, max_chars)
    result_omitted = result is None and length is not None
    left = max_chars if result is None or length is None else max_chars - length
    steps, omitted = _read_steps(session, models, execution.id, left)
    return BoundedOutputs(result, steps, omitted, result_omitted)


def _read_result(
    session: Session, models: Models, execution: ExecutionMixin, max_chars: int
) -> tuple[dict[str, t.Any] | None, int | None]:
    """Return the result, or None if it is too long, and its length."""
    if execution.status != ExecutionStatus.COMPLETED:
        return None, None
    result = models.execution.result
    length = stored_length(result)
    query = sa.select(sa.case((length <= max_chars, result)), length)
    row = session.execute(query.where(models.execution.id == execution.id)).one()
    return row[0], row[1]


def _read_steps(
    session: Session, models: Models, execution_id: uuid.UUID, max_chars: int
) -> tuple[list[StepMixin], frozenset[int]]:
    """Return the steps, and the positions of those whose outputs are left out."""
    step = models.step
    length = stored_length(step.output)
    total = sa.func.sum(length).over(order_by=(length, step.position))
    fits = sa.or_(length.is_(None), total <= max_chars)
    query = sa.select(step, fits, sa.case((fits, step.output)))
    query = query.options(defer(step.output, raiseload=True))
    query = query.where(step.execution_id == execution_id).order_by(step.position)
    steps, omitted = [], set()
    for row, is_read, output in session.execute(query):
        if not is_read:
            omitted.add(row.position)
        set_committed_value(row, "output", output if is_read else {"raw": None})
        steps.append(row)
    return steps, frozenset(omitted)


def count_fitting(lengths: Iterable[int], max_chars: int) -> int:
    """Return how many of the first contents fit: at least one, so that reading goes on."""
    totals = itertools.accumulate(lengths)
    return max(1, sum(total <= max_chars for total in totals))


def stored_length(document: t.Any) -> sa.ColumnElement[int | None]:
    """Return the length of a document as it is stored, which is about that in an answer."""
    return sa.func.length(sa.cast(document, sa.Text))


def total_length(*contents: t.Any) -> sa.ColumnElement[int]:
    """Return the length of documents and texts together."""
    lengths: list[t.Any] = [sa.func.coalesce(stored_length(each), 0) for each in contents]
    return sum(lengths, start=sa.literal(0))
