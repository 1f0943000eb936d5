"""What happens to a training run when things go wrong, on purpose and many times.

    python -m benchmarks.reliability kills pairs damage disk crowd fuzz edge
    python -m benchmarks.reliability document

Each part writes its figures to `docs/reliability/PART.json`; `document` makes `docs/reliability.md`
of them. Linux only; `disk` needs root, for a file system of its own.
"""
