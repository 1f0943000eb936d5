"""`python -m benchmarks.reliability.edge NUMBER [NUMBER]`: one call, or a range of them, here."""

from __future__ import annotations

import sys

import torch

from benchmarks.reliability.edge.check import checked
from benchmarks.reliability.edge.draw import draw_call


def main(first: int, last: int) -> int:
    """Prints each call and what is wrong with it; returns how many are."""
    wrong = 0
    for number in range(first, last + 1):
        call = draw_call(number)
        print(f"{number}: {call.subject.name}, {call.update}, {call.layout}", flush=True)
        if first == last:
            print(f"scores {call.scores.tolist()} {call.scores.dtype}")
            print(f"targets {call.targets.tolist()}\nstep {call.step}, {call.options}")
            print(call.arguments, flush=True)
        outcome = checked(call)
        print(*outcome.problems, *([outcome.refused] if outcome.refused else []), sep="\n")
        wrong += bool(outcome.problems)
    return wrong


torch.set_num_threads(1)
numbers = [int(text) for text in sys.argv[1:]]
sys.exit(main(numbers[0], numbers[-1]) > 0)
