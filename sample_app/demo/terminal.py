"""Output of the demo."""

from __future__ import annotations

import textwrap
import time
import typing as t

import click

from ..seeding import Seeded

Json = dict[str, t.Any]

_INDENT = " " * 10

_COMMANDS = """\
auth='Authorization: Bearer {token}'
json='Content-Type: application/json'
api={url}/crewexec

curl -H "$auth" $api/executions/{execution}
curl -H "$auth" $api/graphs/{fact_page}
curl -H "$auth" -H "$json" -H 'Prefer: wait=30' $api/executions \\
  -d '{{"graph_id": "{fact_page}", "inputs": {{"topic": "the Moon"}}}}'
curl -H "$auth" "$api/executions?limit=5"
curl -H "$auth" $api/queues
curl -H "$auth" {url}/notes

In a browser: {url}/sign-in?token={token}
"""


class Terminal:
    """Prints lines with a label, or with the seconds since the start."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def say(self, label: str, text: str) -> None:
        """Print a stage or a fact."""
        click.echo(f"{click.style(f'{label:<9}', bold=True)} {text}")

    def event(self, event: Json) -> None:
        """Print an event."""
        seconds = time.monotonic() - self._began_at
        click.echo(f"{seconds:7.1f} s {_describe(event['type'], event['data'])}")

    def result(self, execution: Json, writer: str) -> None:
        """Print the outputs of the crew and the usage."""
        self.say("Result", f"written by {writer}")
        for step in execution["steps"]:
            click.echo(f"\n{_INDENT}{click.style(step['name'], bold=True)}")
            click.echo(_indented(step["output"] or ""))
        click.echo()
        self.say("Usage", _usage(execution["usage"]))

    def commands(self, url: str, seeded: Seeded, execution_id: str) -> None:
        """Print requests to try, ready to be pasted into a shell."""
        click.echo("\nTry in another terminal:\n")
        values = {"url": url, "execution": execution_id, "token": seeded.token, **seeded.graphs}
        click.echo(_COMMANDS.format_map(values))

    def invite(self, url: str, token: str) -> None:
        """Print the link that leads to the start page."""
        self.say("Ready", "until Ctrl-C stops everything. Open this in a browser:")
        click.echo(f"\n{_INDENT}{url}/sign-in?token={token}\n")

    def error(self, text: str) -> None:
        """Print why the demo ends early."""
        click.secho(text, fg="red", err=True)


def _describe(kind: str, data: Json) -> str:
    texts = {
        "step_started": "{agent} starts '{step}'",
        "step_completed": "{agent} completed '{step}'",
        "model_call_started": "  calls the model",
        "model_call_completed": "  the model answered: {tokens} tokens, {seconds:.1f} s",
        "model_call_failed": "  the model call failed: {seconds:.1f} s",
        "tool_started": "  calls the tool '{tool}'",
        "tool_finished": "  the tool '{tool}' returned",
        "tool_failed": "  the tool '{tool}' failed",
    }
    return texts.get(kind, kind).format_map(data)


def _usage(usage: Json) -> str:
    return (
        f"{usage['llm_calls']} model calls, {usage['total_tokens']} tokens"
        f" ({usage['prompt_tokens']} in the prompts, {usage['completion_tokens']} written)"
    )


def _indented(text: str) -> str:
    lines = [textwrap.wrap(line, 80) or [""] for line in text.strip().splitlines()]
    return textwrap.indent("\n".join(part for line in lines for part in line), _INDENT)
