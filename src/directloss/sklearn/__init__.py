"""Estimators and scorers for scikit-learn."""

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)

from directloss.sklearn._classifier import DirectLossClassifier
from directloss.sklearn._ranker import DirectLossRanker
from directloss.sklearn._scorer import metric_scorer

__all__ = ["DirectLossClassifier", "DirectLossRanker", "metric_scorer"]
