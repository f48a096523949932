"""The image and the services of ``deploy/container``: built, started, used and stopped.

There is no Docker here. The steps of the Dockerfile are done in a folder, and what Compose would
run runs as a user who can write to the temporary folder only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import psutil
import pytest
import redis
import uv
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from flask_crewexec.testing import ScriptedModel
from support.deploy_files import DEPLOY
from support.deploy_files import read_yaml
from support.deploy_files import seconds
from support.doc_examples import write_files
from support.installed import installed
from support.paths import ROOT
from support.replayed_image import ReplayedImage
from support.replayed_image import steps_of
from support.servers.postgres import PostgresProcess
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until
from support.servers.redis_servers import chosen_redis
from support.servers.unprivileged import UNKNOWN_USER
from support.servers.unprivileged import unprivileged

Json = dict[str, t.Any]

FOLDER = DEPLOY / "container"
COMPOSE: Json = read_yaml("container/compose.yaml")
SERVICES: dict[str, Json] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
SECRET_KEY = "a key for sessions"
VARIABLES = ("OPENAI_API_KEY", "POSTGRES_PASSWORD", "SECRET_KEY", "VALKEY_PASSWORD")


def schema_of_compose() -> Json:
    """Return the specification's JSON Schema, which comes with a package."""

    def install(target: Path) -> None:
        command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", f"--target={target}"]
        command += [f"--python={sys.executable}", "check-jsonschema==0.39.0"]
        subprocess.run(command, check=True, capture_output=True)

    try:
        folder = installed("compose-schema", install)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"check-jsonschema cannot be downloaded: {error.stderr.decode()[-300:]}")
    path = folder / "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    return t.cast(Json, json.loads(path.read_text(encoding="utf-8")))


class TestFiles:
    def test_compose_accepts_the_file(self) -> None:
        jsonschema.validate(COMPOSE, schema_of_compose())

    def test_nothing_of_ours_can_be_changed_by_who_breaks_in(self) -> None:
        for name in OURS:
            service = SERVICES[name]
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
        users = [step.argument for step in steps_of(FOLDER / "Dockerfile") if step[0] == "USER"]
        assert users
        assert not users[-1].startswith(("0", "root"))

    def test_only_the_web_server_of_this_machine_is_reached_from_outside(self) -> None:
        ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert ports == {"web": ["127.0.0.1:8000:8000"]}

    def test_no_secret_gets_into_a_layer(self) -> None:
        steps = [*steps_of(FOLDER / "Dockerfile")]
        assert not [step for step in steps if step.instruction in ("ARG", "ADD")]
        ignored = (FOLDER / ".dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [line for line in ignored if line and not line.startswith("#")]
        assert rules[0] == "*"
        copied = {
            source
            for step in steps
            if step.instruction == "COPY" and "--from" not in step.argument
            for source in step.argument.split()[:-1]
        }
        assert {rule[1:] for rule in rules if rule.startswith("!")} == copied

    def test_secrets_come_from_the_environment_of_compose(self) -> None:
        text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
        assert {name for name in VARIABLES if f"${{{name}:?}}" in text} == set(VARIABLES)

    def test_commands_get_signals_without_a_shell(self) -> None:
        for name in OURS:
            assert isinstance(SERVICES[name]["command"], list), name
            assert SERVICES[name]["init"], name

    def test_who_drains_has_the_time_to(self) -> None:
        from flask_crewexec.config.settings import Settings

        settings = Settings()
        grace = {name: seconds(SERVICES[name]["stop_grace_period"]) for name in ("worker", "web")}
        assert grace["worker"] > 2 * settings.drain_timeout
        (timeout,) = (
            int(word.partition("=")[2])
            for word in SERVICES["web"]["command"]
            if word.startswith("--graceful-timeout")
        )
        assert grace["web"] > timeout


class Server(ServerProcess):
    """A service of Compose as a process."""

    start_seconds = 180.0

    def __init__(self, name: str, command: list[str], ready: str, **options: t.Any) -> None:
        self.stop_seconds = float(seconds(SERVICES[name].get("stop_grace_period", "10s")))
        self._ready = ready
        super().__init__(command, **options)

    def is_ready(self) -> bool:
        return self._ready in self.log_text()


class Site:
    """The services with the addresses of this test, on a machine without Docker."""

    def __init__(
        self, folder: Path, temporary: Path, image: ReplayedImage, environment: dict[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.temporary = temporary
        self._folder = folder
        self._image = image
        paths = [str(image.path("venv/bin")), os.environ["PATH"]]
        self.environment = {
            **image.environment,
            **environment,
            "HOME": str(self.temporary),
            "HOSTNAME": os.uname().nodename,
            "PATH": os.pathsep.join(paths),
        }

    def command(self, words: list[str]) -> list[str]:
        """Return a command of Compose as it runs here."""
        own_port = [word.replace("0.0.0.0:8000", self.url.rpartition("/")[2]) for word in words]
        own_port = [word.replace("http://127.0.0.1:8000", self.url) for word in own_port]
        own_port = [word.replace("=/tmp/", f"={self.temporary}/") for word in own_port]
        home = ["env", f"HOME={self.temporary}", f"PATH={self.environment['PATH']}"]
        return unprivileged([*home, *own_port], temporary=self.temporary)

    def server(self, name: str, ready: str) -> Server:
        return Server(
            name,
            self.command(SERVICES[name]["command"]),
            ready,
            log=self._folder / f"{name}.log",
            cwd=self._image.working_directory,
            environment=self.environment,
        )

    def run(self, words: list[str]) -> str:
        """Run a command in a container, and return what it prints."""
        done = subprocess.run(
            self.command(words),
            cwd=self._image.working_directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check_health(self, name: str) -> None:
        """Run the health check of a service."""
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        self.run(words if kind == "CMD" else ["sh", "-c", words[0].replace("$$", "$")])


def write_application(folder: Path, database_url: str) -> None:
    """Write the application of the documentation, and its migrations."""
    for page in ("install", "celery"):
        write_files(ROOT / f"docs/howto/{page}.rst", folder)
    module = folder / "myapp/__init__.py"
    text = module.read_text(encoding="utf-8")
    text = text.replace("    return app\n", "    Migrate(app, db)\n    return app\n")
    text = text.replace("api_key=", 'base_url=os.environ.get("MODEL_URL"), api_key=')
    module.write_text(f"from flask_migrate import Migrate\n{text}", encoding="utf-8")
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "PYTHONPATH": str(ROOT),
        "SECRET_KEY": SECRET_KEY,
    }
    for words in (["init"], ["migrate"]):
        command = [sys.executable, "-m", "flask", "--app", "myapp", "db", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def build_wheel(folder: Path) -> None:
    source = folder / "source"
    shutil.copytree(ROOT / "flask_crewexec", source / "flask_crewexec")
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE.txt"):
        shutil.copy(ROOT / name, source)
    command = [uv.find_uv_bin(), "build", "--quiet", "--wheel", f"--python={sys.executable}"]
    command += [f"--out-dir={folder / 'wheels'}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"The wheel cannot be built without a network: {done.stderr[-300:]}")


@pytest.fixture
def image(tmp_path: Path, postgres: PostgresProcess) -> ReplayedImage:
    """The image of an application, from the files as a reader copies them."""
    context = tmp_path / "context"
    shutil.copytree(FOLDER, context)
    write_application(context, postgres.fresh_database_url())
    build_wheel(context)
    return ReplayedImage(context / "Dockerfile", context, tmp_path / "image")


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with the options of Compose."""
    server, port = chosen_redis(), free_port()
    options = [
        word.replace("${VALKEY_PASSWORD:?}", "secret") for word in SERVICES["valkey"]["command"]
    ]
    process = Server(
        "valkey",
        [str(server.binary), "--bind", "127.0.0.1", "--port", str(port), *options[1:]],
        "Ready to accept connections",
        log=tmp_path / "valkey.log",
        cwd=tmp_path,
        environment=server.environment,
    )
    with process:
        yield f"redis://:secret@127.0.0.1:{port}/0"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The only folder that the services can write to; pytest's are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="crewexec-container-") as name:
        os.chown(name, UNKNOWN_USER, UNKNOWN_USER)
        yield Path(name)


@pytest.fixture
def site(
    tmp_path: Path,
    temporary: Path,
    image: ReplayedImage,
    valkey: str,
    postgres: PostgresProcess,
    model: ScriptedModel,
) -> Site:
    values = {
        "CELERY_BROKER_URL": valkey,
        "CELERY_RESULT_BACKEND": valkey,
        "DATABASE_URL": postgres.fresh_database_url(),
        "OPENAI_API_KEY": model.key,
        "SECRET_KEY": SECRET_KEY,
    }
    assert values.keys() == SERVICES["web"]["environment"].keys()
    return Site(tmp_path, temporary, image, {**values, "MODEL_URL": model.base_url})


def signed_in() -> dict[str, str]:
    """Return the cookie of a user who has signed in."""
    app = Flask("myapp")
    app.secret_key = SECRET_KEY
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return {"session": str(serializer.dumps({"user_id": 7}))}


@pytest.mark.postgresql
@pytest.mark.timeout(900)
def test_all_services_work_together_and_stop_in_time(
    site: Site, valkey: str, readme_graph: Json, model: ScriptedModel
) -> None:
    site.run(SERVICES["tables"]["command"])
    servers = [
        site.server("web", "Listening at"),
        site.server("worker", " ready."),
        site.server("cleanup", " ready."),
        site.server("beat", "beat: Starting"),
    ]
    try:
        for server in servers:
            server.start()
        check_that_a_crew_runs(site, readme_graph)
        for name in ("web", "worker", "cleanup"):
            site.check_health(name)
        wait_until(lambda: not problems_of(site), what="an installation without problems")
        for server in servers:
            check_that_it_stops(server)
    finally:
        for server in servers:
            server.stop()
    with redis.Redis.from_url(valkey) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def check_that_a_crew_runs(site: Site, graph: Json) -> None:
    options: Json = {"base_url": f"{site.url}/crewexec", "trust_env": False, "timeout": 60}
    with httpx.Client(cookies=signed_in(), headers={"Prefer": "wait=60"}, **options) as client:
        graph_id = client.post("/graphs", json=graph).raise_for_status().json()["id"]
        body = {"graph_id": graph_id, "inputs": {"topic": "tea"}}
        execution = client.post("/executions", json=body).raise_for_status()
        assert execution.json()["status"] == "completed"


def problems_of(site: Site) -> list[Json]:
    checks = json.loads(site.run(["flask", "crewexec", "check", "--json"]))
    return [check for check in checks if check["status"] == "error"]


def check_that_it_stops(server: Server) -> None:
    children = [psutil.Process(server.pid), *server.children()]
    server.kill(signal.SIGTERM)
    assert server.ended() == 0, server.log_text()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
