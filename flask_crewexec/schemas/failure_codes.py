"""Every code in the ``error`` of a failed or timed out execution.

A run that fails with a transient code is retried up to ``CREWEXEC_MAX_RETRIES`` times before the
execution fails; the event ``retrying`` then carries the code.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping


class FailureCode(t.NamedTuple):
    """What a code means and what to do."""

    meaning: str
    remedy: str
    transient: bool = False
    """Whether the run is retried."""


FAILURE_CODES: t.Final[Mapping[str, FailureCode]] = {
    "approval-outdated": FailureCode(
        "A tool, or the arguments of its call, changed after people were asked to approve it, so it"
        " cannot be made as they saw it.",
        "Retry the execution to ask them again. Their decision stays stored.",
    ),
    "assignment-failed": FailureCode(
        "The host's function that says who is asked failed in every attempt, or nobody would be"
        " asked but the owner, who must not answer.",
        "Operators look for its exception in the worker's log, or see that the graph, the tool or"
        " the function names others; then retry the execution.",
        transient=True,
    ),
    "budget-exhausted": FailureCode(
        "The execution made as many model or tool calls, or used as many tokens, as it may.",
        "Retry it with a higher limit of what the message names; completed steps are kept.",
    ),
    "crew-failed": FailureCode(
        "The crew ended with an error that no other code describes.",
        "Operators look for the correlation id in the worker's log.",
    ),
    "crew-exited": FailureCode(
        "Something in the crew, such as a library, tried to end the worker's process.",
        "Operators look for the correlation id in the worker's log.",
    ),
    "deadline-exceeded": FailureCode(
        "The execution took longer than its timeout.",
        "Retry it with a higher 'timeout'; completed steps are kept.",
    ),
    "file-not-found": FailureCode(
        "The file of an input does not exist, or the user may not read it.",
        "Correct the reference, or let the host store the file.",
    ),
    "file-not-text": FailureCode(
        "The file of an input is not text in UTF-8.",
        "Store the file as UTF-8.",
    ),
    "file-storage-failed": FailureCode(
        "The host's storage function raised an exception.",
        "Operators look for the correlation id in the worker's log.",
    ),
    "file-storage-unavailable": FailureCode(
        "A file storage was unavailable in every attempt.",
        "Retry the execution later.",
        transient=True,
    ),
    "file-too-large": FailureCode(
        "The file of an input is larger than 'CREWEXEC_MAX_FILE_BYTES'.",
        "Use a smaller file; operators can raise the setting.",
    ),
    "guardrail-failed": FailureCode(
        "A step's last permitted answer was rejected by a guardrail or its output schema.",
        "Read the events 'guardrail_failed', then change the task or the guardrail.",
    ),
    "input-expired": FailureCode(
        "Nobody answered an input request in time.",
        "Retry the execution to ask again; completed steps are kept.",
    ),
    "invalid-graph": FailureCode(
        "The worker cannot read the stored graph.",
        "Run the same version of the application in web and worker processes.",
    ),
    "invalid-inputs": FailureCode(
        "The worker cannot use the stored inputs with the graph.",
        "Run the same version of the application in web and worker processes.",
    ),
    "iterations-exhausted": FailureCode(
        "An agent still called tools after the last of its 'max_iter' iterations.",
        "Raise the agent's 'max_iter', or change its task or its tools.",
    ),
    "model-answer-too-large": FailureCode(
        "A model's response was larger than 'CREWEXEC_MAX_ANSWER_BYTES'.",
        "Operators check what the server at the model's 'base_url' sends, or raise the setting.",
    ),
    "model-answer-truncated": FailureCode(
        "An answer ended at its maximum length, and the model is registered to fail then.",
        "Raise the model's 'max_tokens', or ask for shorter answers.",
    ),
    "model-content-filtered": FailureCode(
        "A content filter of the model's provider stopped the prompt or the answer.",
        "Change the task or its inputs, or use another model.",
    ),
    "model-context-exceeded": FailureCode(
        "The prompt is longer than the model, and each of its fallbacks, can read.",
        "Use a model that reads more, or shorten inputs and outputs.",
    ),
    "model-cut-off": FailureCode(
        "The stream of a model's answer ended early in every attempt.",
        "Retry the execution later; check proxies between the worker and the provider.",
        transient=True,
    ),
    "model-empty-answer": FailureCode(
        "The model's answer was empty in every attempt.",
        "Retry the execution later, or use another model.",
        transient=True,
    ),
    "model-malformed-answer": FailureCode(
        "The response of the model's provider was no answer in any attempt.",
        "Operators check what the server at the model's 'base_url' sends.",
        transient=True,
    ),
    "model-misconfigured": FailureCode(
        "The worker cannot use a model as the host has registered it.",
        "Operators correct the registration that the message names; the worker's log says why.",
    ),
    "model-not-found": FailureCode(
        "The model's provider does not know the model.",
        "Correct the name of the model where the host registers it.",
    ),
    "model-quota-exhausted": FailureCode(
        "The account at the model's provider has no quota left.",
        "Add credit at the provider, or use another key.",
    ),
    "model-rate-limited": FailureCode(
        "The model's provider limited the rate of calls in every attempt.",
        "Retry the execution later, or raise the rate limit at the provider.",
        transient=True,
    ),
    "model-refused-answer": FailureCode(
        "The model refused to answer, for the reason in the message.",
        "Change the task or its inputs, or use another model.",
    ),
    "model-refused-key": FailureCode(
        "The model's provider refused the API key.",
        "Replace the key where the host registers the model, or the user's secret.",
    ),
    "model-refused-request": FailureCode(
        "The model's provider refused the request.",
        "Operators find the provider's answer in the worker's log.",
    ),
    "model-timeout": FailureCode(
        "The model did not answer in time in any attempt.",
        "Retry the execution later, or register the model with a longer timeout.",
        transient=True,
    ),
    "model-unavailable": FailureCode(
        "The model's provider reported a server error in every attempt.",
        "Retry the execution later.",
        transient=True,
    ),
    "model-unreachable": FailureCode(
        "No connection to the model could be made in any attempt.",
        "Operators check the model's 'base_url' and the worker's network.",
        transient=True,
    ),
    "not-registered": FailureCode(
        "No worker that tried had registered what the message names, such as a tool or a model.",
        "Run the same version of the application everywhere; upgrade workers before web servers.",
        transient=True,
    ),
    "rejected-by-reviewer": FailureCode(
        "A person rejected the answer of a step.",
        "Change the task or its inputs, or retry the execution to restart the step.",
    ),
    "secret-missing": FailureCode(
        "Neither the user nor the host has a value for a secret that the run needs.",
        "Store the secret that the message names, then retry the execution.",
    ),
    "secret-provider-unavailable": FailureCode(
        "The host's secret provider failed in every attempt.",
        "Operators look for the provider's exception in the worker's log.",
        transient=True,
    ),
    "storage-unavailable": FailureCode(
        "The database did not accept the results of the run in any attempt.",
        "Operators check the database; then retry the execution.",
        transient=True,
    ),
    "storage-refused-value": FailureCode(
        "The database refuses to store a value that the run has produced.",
        "Operators look for the correlation id in the worker's log.",
    ),
    "schema-outdated": FailureCode(
        "The database lacks a table or a column that this version needs.",
        "Operators create the tables, or migrate them.",
    ),
    "tool-call-repeated": FailureCode(
        "An agent called a tool again and again with the same arguments, and got the same result.",
        "Change the task, the tool's description or the model.",
    ),
    "tool-outcome-unknown": FailureCode(
        "The worker was lost while a tool worked that must not be called twice ('on_unknown'), or a"
        " step that has called such a tool would have to be restarted.",
        "Check what the call has done. A retry of the execution makes it again.",
    ),
    "tool-server-unavailable": FailureCode(
        "A tool server (MCP) could not be reached in any attempt.",
        "Operators check the server's command or URL.",
        transient=True,
    ),
    "tool-unavailable": FailureCode(
        "The worker cannot use a registered tool.",
        "Operators install what the tool needs where the worker runs, or correct how it is"
        " registered.",
    ),
    "unknown-storage": FailureCode(
        "An input names a file storage that no worker that tried had registered.",
        "Run the same version of the application everywhere; upgrade workers before web servers.",
        transient=True,
    ),
    "user-loader-unavailable": FailureCode(
        "The host's user loader failed in every attempt.",
        "Operators look for the loader's exception in the worker's log.",
        transient=True,
    ),
    "user-missing": FailureCode(
        "A function of the host asked for the user of the run, who does not exist any more.",
        "Nothing is to be done if the user was removed; else correct the user loader.",
    ),
    "worker-lost": FailureCode(
        "As many workers as 'CREWEXEC_MAX_WORKER_LOSSES' allows ended during the execution.",
        "Operators look for the end of the workers in their logs: often they ran out of memory.",
    ),
    "worker-misconfigured": FailureCode(
        "The environment of the worker does not let it connect to models.",
        "Operators correct the environment variables that the message names.",
    ),
}
