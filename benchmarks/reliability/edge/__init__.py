"""Every task and every update on scores from the whole range of their type.

    python -m benchmarks.reliability edge                   # all, in child processes
    python -m benchmarks.reliability.edge NUMBER [NUMBER]   # one call, or a range, in this process

A number says a call: its task, update, type, scores, targets, layout and step.
"""
