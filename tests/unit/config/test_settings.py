"""Reading ``CREWEXEC_`` and ``CELERY_`` settings."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest
from celery import Celery
from flask import Config

from flask_crewexec.config.redis_urls import redis_url
from flask_crewexec.config.redis_urls import sentinel_options
from flask_crewexec.config.redis_urls import server_options
from flask_crewexec.config.redis_urls import single_host_url
from flask_crewexec.config.redis_urls import tls_options
from flask_crewexec.config.settings import Settings
from flask_crewexec.errors import ConfigError


def read(**config):
    return Settings.from_config(Config("", {f"CREWEXEC_{k}": v for k, v in config.items()}))


def test_defaults_are_written_back():
    config = Config("")
    settings = Settings.from_config(config)
    assert config["CREWEXEC_URL_PREFIX"] == settings.url_prefix == "/crewexec"
    assert config["CREWEXEC_KEEP_FOR"] == dt.timedelta(days=30)


def test_given_values_win():
    assert read(URL_PREFIX="/crews", KEEP_FOR=dt.timedelta(days=1)).url_prefix == "/crews"


def test_unknown_settings_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"CREWEXEC_ALOW_ANONYMOUS, CREWEXEC_COLOUR"):
        read(ALOW_ANONYMOUS=True, COLOUR="red")


@pytest.mark.parametrize(
    ("key", "message"),
    [("MAX_TOKEN", r"Did you mean CREWEXEC_MAX_TOKENS\?"), ("COLOUR", r"Check the spelling\.")],
)
def test_unknown_settings_get_a_suggestion(key, message):
    with pytest.raises(ConfigError, match=message):
        read(**{key: 1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MAX_BODY_BYTES", 0),
        ("MAX_BODY_BYTES", -1),
        ("MAX_BODY_BYTES", "1"),
        ("MAX_BODY_BYTES", True),
        ("MAX_BODY_BYTES", 1.5),
        ("ALLOW_ANONYMOUS", 1),
        ("ALLOW_ANONYMOUS", "yes"),
        ("KEEP_FOR", 30),
        ("KEEP_FOR", dt.timedelta()),
        ("KEEP_CALLS_FOR", 7),
        ("KEEP_CALLS_FOR", dt.timedelta()),
        ("CALL_LOG", "everything"),
        ("BROKER_TIMEOUT", 0.0),
        ("URL_PREFIX", "crews"),
        ("URL_PREFIX", "/crews/"),
        ("URL_PREFIX", None),
        ("LOG_FORMAT", "yaml"),
        ("MAX_QUEUED_PER_USER", 0),
        ("MOST_URGENT_PRIORITY", 11),
        ("MAX_RUNNING_PER_USER", True),
        ("MAX_TOKENS_PER_DAY", 1.5),
        ("REQUESTS_PER_MINUTE", "60"),
        ("EXECUTION_QUEUE", ""),
        ("EXECUTION_QUEUE", "crews,others"),
        ("EXECUTION_QUEUE", "crew_é"),
        ("CLEANUP_QUEUE", "crew_execution"),
        ("NOTIFICATION_QUEUE", "crew_execution"),
        ("NOTIFICATION_QUEUE", "a b"),
        ("WEBHOOK_NETWORKS", "10.0.0.0/8"),
        ("WEBHOOK_NETWORKS", ["10.0.0.1/8"]),
        ("METRICS_TOKEN", ""),
        ("METRICS_TOKEN", "too short"),
    ],
)
def test_invalid_values_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=f"CREWEXEC_{key}"):
        read(**{key: value})


def test_seconds_may_be_an_integer():
    assert read(BROKER_TIMEOUT=2).broker_timeout == 2


def test_the_repr_and_errors_hide_secrets():
    settings = read(METRICS_TOKEN="correct horse battery")
    assert "horse" not in repr(settings)
    with pytest.raises(ConfigError) as refused:
        read(METRICS_TOKEN=b"correct horse battery")
    assert "horse" not in str(refused.value)


class TestRedisUrl:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch):
        monkeypatch.delenv("CELERY_BROKER_URL", raising=False)

    def test_config_wins_over_the_default(self):
        assert redis_url(Config(""), "CELERY_BROKER_URL") == "redis://localhost:6379/0"
        config = Config("", {"CELERY_BROKER_URL": "redis://config/0"})
        assert redis_url(config, "CELERY_BROKER_URL") == "redis://config/0"

    def test_the_environment_wins_over_config_as_in_celery(self, monkeypatch):
        monkeypatch.setenv("CELERY_BROKER_URL", "redis://environment/0")
        config = Config("", {"CELERY_BROKER_URL": "redis://config/0"})
        assert redis_url(config, "CELERY_BROKER_URL") == "redis://environment/0"
        celery = Celery(broker="redis://config/0", set_as_current=False)
        assert celery.conf.broker_url == "redis://environment/0"

    @pytest.mark.parametrize("value", ["localhost", 6379])
    def test_a_value_that_is_not_a_url_is_refused(self, value):
        with pytest.raises(ConfigError, match="CELERY_BROKER_URL"):
            redis_url(Config("", {"CELERY_BROKER_URL": value}), "CELERY_BROKER_URL")


class TestCluster:
    @pytest.mark.parametrize(
        ("url", "single"),
        [
            ("redis+cluster://a:1,b:2,c:3", "redis+cluster://a:1/?nodes=b:2,c:3"),
            ("redis+cluster://:x@a,b/0", "redis+cluster://:x@a/0?nodes=b"),
            ("rediss+cluster://a,b/?ssl_ca_certs=x", "rediss+cluster://a/?ssl_ca_certs=x&nodes=b"),
            ("rediss+cluster://a,b?ssl_ca_certs=/x", "rediss+cluster://a/?ssl_ca_certs=/x&nodes=b"),
            ("redis+cluster://:x@[::1]:1,[::2]:2", "redis+cluster://:x@[::1]:1/?nodes=[::2]:2"),
            ("redis+cluster://a:1/0", "redis+cluster://a:1/0"),
            ("redis://a,b/0", "redis://a,b/0"),
        ],
    )
    def test_further_nodes_become_a_part_of_the_query(self, url, single):
        assert single_host_url(url) == single

    def test_keys_are_kept_together(self):
        options = server_options("redis+cluster://a", {"max_connections": 5}, 0.5)
        assert options["global_keyprefix"] == "{crewexec}:"
        assert options["max_connections"] == 5
        hosts = {"global_keyprefix": "shop{1}:"}
        assert server_options("redis+cluster://a", hosts, 0.5)["global_keyprefix"] == "shop{1}:"
        assert "global_keyprefix" not in server_options("redis://a", {}, 0.5)

    @pytest.mark.parametrize("prefix", ["shop:", "{}:", ""])
    def test_a_prefix_that_would_spread_them_is_refused(self, prefix):
        with pytest.raises(ConfigError, match="name in braces"):
            server_options("redis+cluster://a", {"global_keyprefix": prefix}, 0.5)

    def test_certificates_are_verified(self):
        options = tls_options("rediss+cluster://a,b", None)
        assert options == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


class TestTlsOptions:
    @pytest.mark.parametrize("given", [None, False, True, {}])
    def test_certificates_are_verified_by_default(self, given):
        options = tls_options("rediss://localhost/0", given)
        assert options == {"ssl_cert_reqs": ssl.CERT_REQUIRED}

    def test_what_is_given_is_kept(self):
        given: dict[str, object] = {"ssl_ca_certs": "authority.pem"}
        for url in ("rediss://localhost/0", "sentinel://localhost:26379"):
            assert tls_options(url, given) == {"ssl_cert_reqs": ssl.CERT_REQUIRED, **given}
        given = {"ssl_cert_reqs": ssl.CERT_NONE}
        assert tls_options("rediss://localhost/0", given) == given

    @pytest.mark.parametrize("url", [None, "redis://localhost/0", "sentinel://localhost:26379"])
    def test_there_are_none_without_tls(self, url):
        assert tls_options(url, None) is None
        assert tls_options(url, False) is False


class TestSentinelOptions:
    def test_each_sentinel_is_tried_once_and_not_for_long(self):
        options = sentinel_options("sentinel://localhost:26379", {"master_name": "crews"}, 0.5)
        quick = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": None}
        assert options == {"master_name": "crews", "sentinel_kwargs": quick}

    def test_what_is_given_is_kept(self):
        given = {"sentinel_kwargs": {"password": "secret", "socket_timeout": 3.0}}
        options = sentinel_options("sentinel://localhost:26379", given, 0.5)
        assert options["sentinel_kwargs"]["password"] == "secret"
        assert options["sentinel_kwargs"]["socket_timeout"] == 3.0

    def test_other_servers_have_none(self):
        assert sentinel_options("redis://localhost/0", {"a": 1}, 0.5) == {"a": 1}


@pytest.mark.parametrize("value", [None, 1, {"ada": 1}.get])
def test_limits_per_user_may_be_functions(value):
    assert read(MAX_QUEUED_PER_USER=value).max_queued_per_user is value
