"""One method on the user's data: train, evaluate, predict."""
