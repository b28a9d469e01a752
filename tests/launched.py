"""Several processes of ``accelerate launch`` on this machine, for tests."""

from __future__ import annotations

import os
import socket

# Its name for "several processes"; without a graphics processor they meet over gloo.
SEVERAL = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
SEVERAL += ["--dynamo_backend", "no"]


def launch() -> list[str]:
    """Return what follows the interpreter, with a port that is free."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return ["-m", "accelerate.commands.launch", "--main_process_port", str(port)]


def environment() -> dict[str, str]:
    """Return this process's environment less the tests' guard: the processes meet at this machine's own address, which it refuses."""
    return {k: v for k, v in os.environ.items() if k != "OUTGROW_BLOCKED_LOG"}
