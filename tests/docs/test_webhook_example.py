"""The receiver of webhooks that the documentation shows accepts what is signed for it."""

from __future__ import annotations

import datetime as dt
import json
import sys
import typing as t
import uuid
from pathlib import Path

import pytest

from flask_crewexec import clock
from flask_crewexec.notifications.signing import secret_of
from flask_crewexec.notifications.signing import sign
from support.doc_examples import write_files
from support.paths import ROOT

pytestmark = pytest.mark.sqlite_enough

ID = uuid.UUID("01a222e2-c2e0-770c-9d30-190d6af1193f")
BODY = json.dumps({"type": "execution.completed", "data": {"id": str(ID)}})


@pytest.fixture
def receiver(app: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    """The module ``receiver``, which has the secret of a webhook."""
    write_files(ROOT / "docs/howto/webhooks.rst", tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", secret_of(ID, 1))
    monkeypatch.syspath_prepend(tmp_path)
    import receiver  # type: ignore[import-not-found]

    yield receiver
    del sys.modules["receiver"]


def test_it_accepts_a_message_once(receiver: t.Any) -> None:
    headers = sign(ID, [1], "event.7", clock.now(), BODY)
    for _ in range(2):
        answer = receiver.app.test_client().post("/hook", data=BODY, headers=headers)
        assert answer.status_code == 204
    assert receiver.seen == {"event.7"}


def test_it_refuses_other_messages(receiver: t.Any) -> None:
    client, now = receiver.app.test_client(), clock.now()
    old = now - dt.timedelta(minutes=6)
    for versions, moment, body in (([2], now, BODY), ([1], old, BODY), ([1], now, BODY + " ")):
        headers = sign(ID, versions, "event.7", moment, BODY)
        assert client.post("/hook", data=body, headers=headers).status_code == 400
    assert receiver.seen == set()
