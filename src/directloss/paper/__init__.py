"""The experiments of Song et al. (ICML 2016): nothing else in the package needs them."""

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)
