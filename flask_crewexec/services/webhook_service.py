"""Webhooks of users: what they are told, their secrets, and how it went."""

from __future__ import annotations

import typing as t
import uuid
from urllib.parse import urlsplit

from ..app_state import AppState
from ..app_state import current_app_state
from ..config.per_user_limits import resolve_limit
from ..errors import NotFound
from ..errors import TooManyWebhooks
from ..errors import WrongState
from ..models import WebhookMixin
from ..notifications.result import Result
from ..notifications.signing import secret_of
from ..notifications.webhook_sender import send_sample
from ..scheduling.webhook_checks import check_webhook_url
from ..scheduling.webhook_checks import require_webhooks
from ..schemas import load
from ..schemas import OwnerSchema
from ..schemas import PageQuerySchema
from ..schemas import RotationSchema
from ..schemas import WebhookChangeSchema
from ..schemas import WebhookRequestSchema
from ..schemas import WebhookSchema
from ..schemas.notifications import stored_patterns
from ..storage import owner_locks
from ..storage import webhooks
from ..storage.ownership import belongs_to
from ..storage.ownership import Requester
from ..storage.webhook_state import read_target
from ..storage.webhooks import Id

Json = dict[str, t.Any]

_WEBHOOK: t.Final = WebhookSchema(exclude=("url", "host", "events"))
_NEW: t.Final = WebhookRequestSchema()
_CHANGE: t.Final = WebhookChangeSchema()
_PAGE: t.Final = PageQuerySchema()
_ROTATION: t.Final = RotationSchema()
_OWNER: t.Final = OwnerSchema()
_OF_EXECUTIONS: t.Final = "This stands for the webhooks that come with single executions."


class WebhookService:
    """Webhooks of the current application.

    Each method raises :exc:`~flask_crewexec.errors.WebhooksOff` if the host offers none, and
    :exc:`~flask_crewexec.errors.NotFound` for what *requester* may not see. With None, as for the
    host's own code, that is nothing. Only its owner sees the URL and the secret of a webhook.
    """

    def create(self, user_id: object, requester: Requester = None, **values: object) -> Json:
        """Add a webhook of a user.

        :param values: fields of ``WebhookRequestSchema``. If the URL is None, return what stands
            for the webhooks of the user's single executions, so that its secret can be read before
            the first of them.
        :raises InvalidRequest: if a value cannot be used.
        :raises TooManyWebhooks: if the user may have no more.
        """
        app_state = _app_state()
        owner = load(_OWNER, {"user_id": user_id})["user_id"]
        given = load(_NEW, values)
        if given["url"] is None:
            return _dump(_of_executions(app_state, owner), requester)
        check_webhook_url(app_state, given["url"], "/url")
        return _dump(_insert(app_state, owner, _columns(given)), requester)

    def list(
        self,
        requester: Requester = None,
        *,
        user_id: str | None = None,
        before: uuid.UUID | None = None,
        limit: int = 50,
    ) -> list[Json]:
        """Return webhooks, newest first.

        :param user_id: return only those of this user.
        :param before: return only webhooks that are older than this one.
        """
        app_state = _app_state()
        page = load(_PAGE, {"before": before, "limit": limit})
        return [
            _dump(each, requester)
            for each in webhooks.list_webhooks(app_state, requester, user_id, **page)
        ]

    def get(self, webhook_id: Id, requester: Requester = None) -> Json:
        """Return a webhook."""
        return _dump(_find(_app_state(), webhook_id, requester), requester)

    def change(self, webhook_id: Id, requester: Requester = None, **values: object) -> Json:
        """Change a webhook; one that is switched on is told what happens from then on.

        :param values: fields of ``WebhookChangeSchema``.
        :raises InvalidRequest: if a value cannot be used.
        :raises WrongState: if what stands for webhooks of single executions is to get a URL.
        """
        app_state = _app_state()
        given = load(_CHANGE, values)
        webhook = _find(app_state, webhook_id, requester)
        if webhook.url is None and given.keys() & {"url", "events"}:
            raise WrongState(f"{_OF_EXECUTIONS} It has no URL and events of its own.")
        if "url" in given:
            check_webhook_url(app_state, given["url"], "/url")
        with app_state.database.write_transaction() as session:
            changed = webhooks.change(
                session, app_state.models, webhook_id, requester, _columns(given) | _fresh(given)
            )
        _require(changed, webhook_id)
        return self.get(webhook_id, requester)

    def delete(self, webhook_id: Id, requester: Requester = None) -> None:
        """Delete a webhook; what waits to be sent to it is given up."""
        app_state = _app_state()
        with app_state.database.write_transaction() as session:
            _require(webhooks.remove(session, app_state.models, webhook_id, requester), webhook_id)

    def secret(self, webhook_id: Id, requester: Requester = None) -> Json:
        """Return the secret with which the receiver verifies signatures, for the owner alone."""
        return _secret(_find_own(_app_state(), webhook_id, requester))

    def rotate(
        self, webhook_id: Id, requester: Requester = None, *, secret_version: int | None = None
    ) -> Json:
        """Replace the secret, and return the new one; the former signs, too, for one day.

        :param secret_version: replace it only if it still has this number.
        :raises WrongState: if it has another one, or was replaced at the same moment.
        """
        app_state = _app_state()
        version = load(_ROTATION, {"secret_version": secret_version})["secret_version"]
        webhook = _find_own(app_state, webhook_id, requester)
        with app_state.database.write_transaction() as session:
            is_current = version in (None, webhook.secret_version)
            if not is_current or not webhooks.rotate(session, webhook):
                raise WrongState("The secret was replaced already. Read the webhook again.")
        return self.secret(webhook_id, requester)

    def test(self, webhook_id: Id, requester: Requester = None) -> Json:
        """Send a message of type ``webhook.test`` now; it changes nothing.

        :return: ``{"delivered", "status", "code", "text", "seconds"}``.
        :raises WrongState: if it stands for the webhooks of single executions.
        """
        app_state = _app_state()
        webhook = _find(app_state, webhook_id, requester)
        target = read_target(app_state, webhook.id)
        _require(target is not None, webhook_id)
        if target is None or target.url is None:
            raise WrongState(f"{_OF_EXECUTIONS} It has no URL to try.")
        return _as_json(send_sample(app_state, target))


def _app_state() -> AppState:
    app_state = current_app_state()
    require_webhooks(app_state)
    return app_state


def _find(app_state: AppState, webhook_id: Id, requester: Requester) -> WebhookMixin:
    with app_state.database.read_session() as session:
        return webhooks.find_webhook(session, app_state.models, webhook_id, requester)


def _find_own(app_state: AppState, webhook_id: Id, requester: Requester) -> WebhookMixin:
    webhook = _find(app_state, webhook_id, requester)
    _require(belongs_to(webhook, requester), webhook_id)
    return webhook


def _require(found: bool, webhook_id: Id) -> None:
    if not found:
        raise NotFound(f"There is no webhook '{webhook_id}'.")


def _insert(app_state: AppState, owner: str, values: Json) -> WebhookMixin:
    """Store a webhook; it is inserted before they are counted, so that requests see each other."""
    limit = resolve_limit(
        "CREWEXEC_MAX_WEBHOOKS_PER_USER", app_state.settings.max_webhooks_per_user, owner
    )
    models = app_state.models
    webhook = models.webhook(owner_id=owner, **values)
    with app_state.database.write_transaction() as session:
        owner_locks.lock_rows_of(session, owner, owner_locks.WEBHOOKS)
        session.add(webhook)
        session.flush()
        if limit is not None and webhooks.count_webhooks(session, models, owner, limit + 1) > limit:
            raise TooManyWebhooks(f"You may have {limit} webhooks. Change or delete one of them.")
        session.refresh(webhook)
    return webhook


def _of_executions(app_state: AppState, owner: str) -> WebhookMixin:
    with app_state.database.write_transaction() as session:
        webhooks.ensure_of_executions(session, app_state.models, owner)
        found = webhooks.find_of_executions(session, app_state.models, owner)
        if found is None:
            raise NotFound("The webhook was deleted at the same moment.")
        return found


def _columns(given: Json) -> Json:
    events = given.get("events")
    return given if events is None else {**given, "events": stored_patterns(events)}


def _fresh(given: Json) -> Json:
    """Return what is forgotten of the past of a webhook that is switched on, or off, or moved."""
    past = {"failures": 0, "disabled_reason": None}
    return past if given.keys() & {"enabled", "url"} else {}


def _dump(webhook: WebhookMixin, requester: Requester) -> Json:
    url = webhook.url
    return {
        **_WEBHOOK.dump(webhook),
        "url": url if belongs_to(webhook, requester) else None,
        "host": None if url is None else urlsplit(url).hostname,
        "events": webhook.events.split(),
    }


def _secret(webhook: WebhookMixin) -> Json:
    version = webhook.secret_version
    return {"secret": secret_of(webhook.id, version), "secret_version": version}


def _as_json(result: Result) -> Json:
    answer = dict.fromkeys(("status", "code", "text")) | result.answer
    return {"delivered": result.delivered, **answer}
