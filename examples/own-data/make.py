"""Write tickets.csv and weak.csv, made-up support tickets.

Run as `python examples/own-data/make.py`. The labels are known because the texts are made from them: each has two complaints of its class.
`weak.csv` is what a hurried crowd would say: one label in four is wrong, and one ticket in ten was skipped.
"""

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
OPENINGS = ["Hello,", "Hi team,", "Good morning,", "Once again:", "Quick question:", "Urgent:"]
TEXTS = {
    "billing": [
        "the invoice for {month} shows an amount we did not order",
        "we were charged twice for the {plan} plan in {month}",
        "please send the receipt for {month} to our accountant",
        "our card expired and the payment for the {plan} plan failed",
        "the refund that was promised in {month} has not arrived",
        "why is the price of the {plan} plan higher since {month}",
    ],
    "access": [
        "nobody on the {plan} plan can sign in since {month}",
        "the password link from {month} leads to an empty page",
        "my account is locked although I pay for the {plan} plan",
        "two new colleagues need permission to open the {plan} workspace",
        "the code for signing in never reaches my phone",
        "after the update in {month} the page says session expired",
    ],
}
MONTHS = ["January", "March", "May", "July", "October"]
PLANS = ["basic", "team", "school", "studio"]
ENDINGS = ["Thanks.", "Can you help?", "This is the third time.", "No hurry.", "Regards"]
ROWS, WITH_TRUTH = 600, 400


def guess(label: str, draw: random.Random) -> str:
    """Return a label that is wrong in one of four, or an empty cell, which is an abstention."""
    if draw.random() < 0.10:
        return ""
    return label if draw.random() < 0.75 else next(other for other in TEXTS if other != label)


def main() -> None:
    """Write both files beside this one."""
    draw = random.Random(0)
    seen: set[str] = set()
    tickets, weak = [], []
    while len(tickets) < ROWS:
        label = draw.choice(list(TEXTS))
        complaint = ", and ".join(draw.sample(TEXTS[label], 2)).format(
            month=draw.choice(MONTHS), plan=draw.choice(PLANS)
        )
        body = f"{draw.choice(OPENINGS)} {complaint}. {draw.choice(ENDINGS)}"
        if body in seen:
            continue
        seen.add(body)
        ticket = f"T-{len(tickets):04d}"
        tickets.append([ticket, body, label if len(tickets) < WITH_TRUTH else "", f"C{draw.randrange(60):02d}"])
        weak.append([ticket, guess(label, draw)])
    for name, header, lines in (
        ("tickets.csv", ["ticket", "body", "label", "customer"], tickets),
        ("weak.csv", ["ticket", "guess"], weak),
    ):
        with (HERE / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *lines])


if __name__ == "__main__":
    main()
