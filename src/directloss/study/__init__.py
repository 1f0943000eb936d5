"""Studies: metrics by name, trials over processes and folders, and the comparison of methods."""

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)
