"""Experiments: data, methods, search, and the files that a report is drawn from."""

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)
