"""From a CSV file to a verdict in Python.

Run as `python examples/five_seeds.py`. The same as `outgrow run examples/own-data/tickets.yaml`, one step at a time.
"""

from pathlib import Path

import outgrow
from outgrow.methods import Confidence, Naive
from outgrow.supervisors import FileSupervisor

HERE = Path(__file__).parent / "own-data"


def main() -> None:
    """Print one sentence a method."""
    task = outgrow.Task.from_csv(HERE / "tickets.csv", input="body", truth="label", id="ticket", group="customer")
    rows = outgrow.encode(task, ["tfidf"])
    crowd = FileSupervisor(HERE / "weak.csv", id="ticket", labels="guess", classes=task.classes, names=task.names)
    weak = crowd.label(rows)
    for method in (Naive, Confidence):
        results = []
        for seed in range(5):
            roles = outgrow.split(task, seed=seed)
            student = method(outgrow.LinearHead(on="tfidf")).fit(rows[roles.transfer], weak[roles.transfer])
            results.append(outgrow.evaluate(student, task, rows, weak, roles))
        print(f"{method.__name__}: {outgrow.Cell(results).verdict().sentence}")


if __name__ == "__main__":
    main()
