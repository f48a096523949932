"""The host's own users, as its loader returns them for the ids that are stored."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from flask import current_app
from flask import g

from ..errors import UserLoaderUnavailable
from ..errors import UserMissing

log = logging.getLogger(__name__)

UserLoader = Callable[[str], object | None]
"""Takes the id of a user, as it is stored; returns the host's own object, or None."""

if t.TYPE_CHECKING:
    from typing_extensions import TypeVar

    U = TypeVar("U", default=t.Any)
else:  # at run time, no checker asks what it is by default
    U = t.TypeVar("U")


def load_user(user_id: str) -> t.Any:
    """Return the host's own user; within one application context always the same object.

    It is not kept any longer, since it may belong to a database session, which ends with the
    context and must not be shared by threads.

    :raises UserMissing: if there is none.
    :raises UserLoaderUnavailable: if the host's loader fails.
    :raises RuntimeError: if there is no loader.
    """
    loaded: dict[str, object] = g.setdefault("crewexec_users", {})
    if user_id not in loaded:
        user = _call(_registered_loader(), user_id)
        if user is None:
            raise UserMissing("The user of this execution does not exist any more.")
        loaded[user_id] = user
    return loaded[user_id]


def _registered_loader() -> UserLoader:
    loaders: list[UserLoader] = current_app.extensions["crewexec"].user_loaders
    if not loaders:
        raise RuntimeError(
            "There is no user loader. Register the function that returns your own user for an id"
            " with '@crewexec.user_loader', or use the 'user_id'."
        )
    return loaders[0]


def _call(loader: UserLoader, user_id: str) -> object | None:
    try:
        return loader(user_id)
    except Exception as error:
        log.exception("The user loader failed.")  # in a tool, only the model is told
        raise UserLoaderUnavailable("The application could not load its user.") from error
