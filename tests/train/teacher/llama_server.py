"""llama.cpp's own HTTP server with the project's base model, in a process of its own, so that it can be killed.

Prints its address, serves until its standard input closes, and then ends.
"""

from __future__ import annotations

import os
import sys

import xllamacpp

from export.base import default_base

CONTEXT = 4096


def main() -> None:
    """Serve on a free port of the loopback interface."""
    params = xllamacpp.CommonParams()
    params.model.path = str(default_base())
    params.model_alias = {"smollm2"}
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.endpoint_metrics = True  # its own count of tokens, to hold ours against
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    # Its destructor waits for requests that nobody will read.
    os._exit(0)


if __name__ == "__main__":
    main()
