"""What a step of a whole data set costs: rows, processes, bytes, memory, seconds.

    python -m benchmarks.at_length           # measures, then writes archive and page
    python -m benchmarks.at_length --page    # writes the page from the archive

`model` says what a step costs, `measure` measures steps of processes on this machine, `page` holds
the one against the other and goes on to sizes that nobody measured here.
"""
