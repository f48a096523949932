"""The blueprint of the JSON API; it changes nothing outside of it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint
from flask import request
from flask import Response

from ..config.settings import Settings
from ..errors import ConfigError
from ..observability.request_id import current_request_id
from ..observability.request_id import HEADER
from . import client_files
from . import executions
from . import forks
from . import graphs
from . import input_requests
from . import operations
from . import registry
from . import several
from . import unknown_routes
from . import webhooks
from . import workers
from .authentication import authenticate
from .csrf import reject_csrf
from .problems import handle_errors

NAME = "crewexec"


def create_blueprint(settings: Settings) -> Blueprint:
    """Return a new blueprint with all routes; each application needs its own."""
    blueprint = Blueprint(NAME, __name__, url_prefix=settings.url_prefix)
    blueprint.register_blueprint(_health())
    blueprint.register_blueprint(_metrics())
    blueprint.register_blueprint(_client())
    api = _api(settings)
    documented = _openapi() if settings.public_openapi else api
    operations.add_openapi_route(documented)
    if documented is not api:
        blueprint.register_blueprint(documented)
    blueprint.register_blueprint(api)
    unknown_routes.add_routes(blueprint)
    handle_errors(blueprint)
    blueprint.after_request(_add_request_id)
    return blueprint


def _add_request_id(response: Response) -> Response:
    response.headers.setdefault(HEADER, current_request_id() or "")
    return response


def _health() -> Blueprint:
    blueprint = Blueprint("health", __name__)
    operations.add_health_routes(blueprint)
    return blueprint


def _metrics() -> Blueprint:
    blueprint = Blueprint("metrics", __name__)
    operations.add_metrics_route(blueprint)
    return blueprint


def _client() -> Blueprint:
    blueprint = Blueprint("client", __name__)
    client_files.add_routes(blueprint)
    return blueprint


def _openapi() -> Blueprint:
    return Blueprint("openapi", __name__)


def _api(settings: Settings) -> Blueprint:
    def check_request() -> None:
        hosts = request.max_content_length
        ours = settings.max_body_bytes
        request.max_content_length = ours if hosts is None else min(ours, hosts)
        reject_csrf()
        authenticate()

    blueprint = Blueprint("api", __name__)
    blueprint.before_request(check_request)
    if settings.requests_per_minute is not None:
        blueprint.before_request(_rate_limit())
    runs = (executions, several, forks, input_requests)
    for module in (*runs, graphs, operations, workers, registry, webhooks):
        module.add_routes(blueprint)
    return blueprint


def _rate_limit() -> Callable[[], None]:
    try:
        from .rate_limit import limit_rate
    except ModuleNotFoundError as error:
        raise ConfigError(
            "'CREWEXEC_REQUESTS_PER_MINUTE' needs the package limits. Install the extra 'limits':"
            " pip install 'Flask-CrewExec[limits]'."
        ) from error
    return limit_rate
