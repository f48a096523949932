"""Chooses one of several crews in the files by its name."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from .draft import Draft
from .import_result import FILES
from .import_result import Options
from .import_result import Place

_Crew = t.TypeVar("_Crew")


def choose_crew(crews: Mapping[str, _Crew], options: Options, draft: Draft) -> _Crew | None:
    """Return the only crew, or the one that the options name; refuse the import otherwise."""
    if options.crew is not None and options.crew in crews:
        return crews[options.crew]
    if options.crew is not None:
        detail = f"There is no crew {quote(options.crew)}. Available: {listing(crews)}."
        hint = f"{suggestion(options.crew, crews)}The crews are {listing(crews)}."
        draft.refuse(Place("") / "crew", "unknown-crew", detail, hint, breaks=True)
        return None
    if len(crews) == 1:
        return next(iter(crews.values()))
    if not crews:
        draft.refuse(FILES, "no-crew", "There is no crew in the files. Add one.", breaks=True)
        return None
    detail = f"There are {len(crews)} crews: {listing(crews)}. Choose one with the option 'crew'."
    draft.refuse(FILES, "several-crews", detail, f"The crews are {listing(crews)}.", breaks=True)
    return None
