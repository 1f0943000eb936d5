"""One method on the user's data: train, evaluate, predict."""

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)
