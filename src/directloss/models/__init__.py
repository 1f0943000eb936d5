"""Networks that the experiments need."""

from __future__ import annotations

from directloss.models.mlp import MLP, scale_to_unit_spread, start_at_log_odds

__all__ = ["MLP", "scale_to_unit_spread", "start_at_log_odds"]
