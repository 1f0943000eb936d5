"""The paper's synthetic experiments: a random network, a linear function, and label noise."""
