"""Server of the local model, in a process of its own: ``python -m sample_app.demo.local_model``.

It takes the model's file and a port as arguments and its key from the environment, provides
OpenAI's API on the loopback interface, and ends when its standard input is closed.
"""

from __future__ import annotations

import os
import sys

KEY_VARIABLE = "SAMPLE_APP_LOCAL_MODEL_KEY"
CONTEXT_TOKENS = 2048


def main() -> None:
    """Serve until the standard input is closed."""
    import xllamacpp  # not needed to import the names above

    weights, port = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.api_keys = [os.environ[KEY_VARIABLE]]
    params.n_ctx = CONTEXT_TOKENS
    params.sampling.seed = 1
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    server = xllamacpp.Server(params)
    print(f"Serving on {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
