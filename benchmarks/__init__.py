"""Speed, memory and growth of every task and of its peers: `python -m benchmarks --help`."""
