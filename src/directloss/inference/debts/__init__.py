"""Average precision in the negative direction, in about the time of a sort."""

from __future__ import annotations

from directloss.inference.debts.ranking import solve

__all__ = ["solve"]
