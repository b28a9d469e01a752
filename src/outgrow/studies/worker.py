"""A worker process: reads jobs as lines of JSON, does them, answers in lines of JSON. It ends when its input does."""

from __future__ import annotations

import json
import os
import sys
import traceback

from outgrow.store import Store
from outgrow.studies.executors import sentence_of
from outgrow.studies.work import Context, do


def main() -> None:
    """Serve until the input ends."""
    # Whatever a library prints must not stand between the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        import torch

        torch.set_num_threads(1)
        context = Context(Store())
        for line in sys.stdin:
            try:
                answer: dict[str, object] = {"seconds": do(json.loads(line), context)}
            except Exception as error:
                if os.environ.get("OUTGROW_DEBUG"):
                    traceback.print_exc()
                answer = {"error": sentence_of(error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
