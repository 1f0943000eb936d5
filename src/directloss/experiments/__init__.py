"""Experiments: data, methods, search, and the files that a report is drawn from."""
