"""Exact argmax solvers: arrays in, arrays out, no autograd."""
