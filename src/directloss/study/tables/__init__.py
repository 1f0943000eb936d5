"""A study: what training on the metric is worth, on real tables chosen by a rule."""
