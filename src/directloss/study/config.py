"""What a comparison is: everything that its numbers depend on.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, model_validator

from directloss.datasets.reading import FeatureRules
from directloss.errors import ArgumentError
from directloss.study.options import Optimiser, refuse
from directloss.study.unread import OF_IMAGES, OF_TABLES, refuse_methods_of_lists, unread_settings

if TYPE_CHECKING:
    from directloss.training.config import FitConfig
    from directloss.training.methods import Method, Settings

ALL = ("all",)
DEFAULT = ("default",)
"""In the place of methods."""


class TableRules(FeatureRules):
    """What the user says about a table and what is to be learnt from it."""

    target: str | None = Field(default=None, description="Column (or npz array) to predict.")
    split_column: str | None = Field(
        default=None,
        description="Column of train/validation/test; made here (60/20/20) without it.",
    )
    positive: str | None = Field(
        default=None,
        description="Target value that is positive; by default 1 of 0/1, or the rarer one.",
    )


class Comparison(TableRules):
    """The configuration of `directloss compare`.

    Where the results go and how many processes work on them is no part of it: they change no
    number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = Field(
        default="digits",
        description="'digits' or 'diabetes'; a .csv, .tsv, .parquet, .npz or .svmlight file; or a "
        "folder of images, a subfolder a class.",
    )
    data_sha256: str = Field(default="embedded", description="Of the file's content.")
    group: str | None = Field(
        default=None,
        description="Column of queries. Each query is a list, stays in one part, and the metric is "
        "averaged over queries; targets are relevances (above 0 is positive where the metric knows "
        "0/1 only).",
    )
    methods: tuple[str, ...] = Field(
        default=DEFAULT,
        description="Separated by commas. By default logistic (cross-entropy), tuned (trained as "
        "refine is, with three times the settings: longer, classes balanced) and refine "
        "(cross-entropy, then the direct loss with noise; refine-plain: without); with relevances "
        "listnet, too. pos, neg, both (direct loss, by direction), hinge, per "
        "(perceptron) and mix (cross-entropy + 0.1 x direct loss) train on `metric`; with -ap "
        "or -01 behind the name, on average precision or the 0-1 loss whatever `metric` says. "
        "regression and listnet are for `group`. 'all': cross-entropy with the -ap and -01 ones "
        "for average precision, else with the ones that train on `metric`.",
    )
    metric: str = Field(
        default="average-precision",
        description="average-precision[:K], roc-auc, partial-auc[:MAX_FPR], ndcg[:K], "
        "reciprocal-rank, r-precision, precision-at-k:K, recall-at-k:K, bedroc[:ALPHA] (or "
        "ap, auc, ndcg@10, p@10 and the like); or, of decisions, "
        "accuracy, balanced-accuracy, f1, fbeta:BETA, jaccard, mcc, gmean: for these every "
        "method, cross-entropy too, gets the threshold that is best on the training part.",
    )
    hidden: tuple[int, ...] = Field(
        default=(32,), description="Widths of the hidden layers; 'none' for a linear model."
    )
    backbone: str | None = Field(
        default=None,
        description="Of images: the network on whose features, computed once, the methods train. "
        "efficientnet-lite0 where its packages bring the weights, else resnet18.",
    )
    weights: str = Field(default="auto", description="Of the backbone: auto, random, or a file.")
    image_size: int = Field(
        default=224, ge=64, le=4096, description="Side to which images are resized."
    )
    trials: int = Field(
        default=8, description="Settings to try for each method; tuned tries three times as many."
    )
    l2: tuple[float, ...] = Field(
        default=(0.0, 1e-3, 1e-2, 1e-1, 1.0), description="Weight decays to try, for every method."
    )
    seeds: int = Field(default=2, description="Repetitions: other split and initial weights.")
    epochs: int = Field(default=100, description="Passes over the training part.")
    batch: int | None = Field(default=None, description="Mini-batch size; full without it.")
    batch_positives: int | None = Field(
        default=None, description="Positives in every mini-batch; their share without it."
    )
    optimiser: Optimiser = Field(default="sgd", description="sgd (with momentum) or adam.")
    momentum: float = Field(default=0.9, description="Momentum of sgd.")
    patience: int | None = Field(
        default=None, description="Stop after so many evaluations (of 25) without a better one."
    )

    @model_validator(mode="before")
    @classmethod
    def _names(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The canonical name of the metric, the methods that "all" stands for, and the backbone."""
        from directloss.datasets.folders import is_image_folder
        from directloss.models.image_scorer import usual_backbone
        from directloss.study.metrics import canonical_name, metric_named
        from directloss.training.methods import all_methods, default_methods

        metric = canonical_name(given.get("metric", cls.model_fields["metric"].default))
        methods = tuple(given.get("methods", DEFAULT))
        grouped = given.get("group") is not None
        if methods == ALL:
            methods = all_methods(metric, grouped=grouped)
        elif methods == DEFAULT:
            methods = default_methods(graded=grouped and metric_named(metric).graded)
        given = {**given, "metric": metric, "methods": methods}
        data = given.get("data", cls.model_fields["data"].default)
        if given.get("backbone") is None and is_image_folder(str(data)):
            weights = given.get("weights", cls.model_fields["weights"].default)
            given["backbone"] = usual_backbone(str(weights))
        return given

    @property
    def of_images(self) -> bool:
        """Whether the data are a folder of images."""
        return self.backbone is not None

    def known_methods(self) -> dict[str, Method]:
        """The methods by name, with the grid of this comparison."""
        from dataclasses import replace

        from directloss.training.methods import METHODS

        return {
            name: replace(method, grid={**method.grid, "l2": self.l2})
            for name, method in METHODS.items()
        }

    def fit_config(self, method: Method, settings: Settings, seed: int) -> FitConfig:
        """How to train by a method with one point of its grid."""
        from directloss.training.config import FitConfig

        base = FitConfig(
            learning_rate=settings.learning_rate,
            l2=settings.l2,
            optimiser=method.optimiser or self.optimiser,
            momentum=self.momentum,
            epochs=self.epochs,
            batch_size=self.batch,
            positives=self.batch_positives,
            patience=self.patience,
            seed=seed,
        )
        return method.config(base, settings)

    def check(self) -> None:
        """Everything that can be known without the data.

        Raises:
            ArgumentError: naming the field.
        """
        from directloss.study.metrics import metric_named
        from directloss.training.methods import METHODS, Settings

        check_names("methods", self.methods, METHODS)
        metric_named(self.metric)
        check_counts(self, "seeds", "epochs", "trials", "hidden")
        if not self.l2 or len(set(self.l2)) < len(self.l2):
            raise ArgumentError("l2", self.l2, "distinct numbers, at least one")
        known = self.known_methods()
        sizes = {name: known[name].grid_size // known[name].effort for name in self.methods}
        check_trials(self.trials, sizes)
        self._check_kind()
        self._check_methods()
        self._check_positives()
        if self.group is not None:
            for name in ("batch", "positive"):
                if getattr(self, name) is not None:
                    raise ArgumentError(name, getattr(self, name), "nothing, with `group`")
        for l2 in self.l2:
            self.fit_config(METHODS["logistic"], Settings(learning_rate=1.0, l2=l2), 0)

    def _check_positives(self) -> None:
        """Positives of a batch leave room for a negative."""
        if self.batch_positives is None:
            return
        if self.batch is None:
            raise ArgumentError("batch_positives", self.batch_positives, "`batch` with it")
        check_positives(self.batch_positives, self.batch, rows=self.batch)

    def _check_kind(self) -> None:
        """No field is given that means nothing for the kind of the data."""
        from directloss.datasets.folders import is_image_folder
        from directloss.datasets.rows import unread

        if is_image_folder(self.data):
            refuse(self, OF_TABLES, "images")
        else:
            refuse(self, OF_IMAGES, "a table")
            refuse(self, *unread(self.data, self))

    def _check_methods(self) -> None:
        """No field is given that means nothing for all of the methods."""
        from directloss.training.methods import METHODS

        refuse_methods_of_lists("methods", self.methods, self.group)
        own = {name: METHODS[name].optimiser for name in self.methods}
        if None not in own.values():
            refuse(self, ("optimiser",), ", ".join(self.methods))
        found = unread_settings({name: own[name] or self.optimiser for name in own})
        for name in found.keys() & type(self).model_fields.keys():
            refuse(self, (name,), found[name])


def check_names(argument: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    """Names of a list are known, distinct, and there is one.

    Raises:
        ArgumentError: they are not.
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise ArgumentError(argument, repr(name), f"some of {', '.join(known)}")
    if not names or len(set(names)) < len(names):
        raise ArgumentError(argument, ", ".join(names), "distinct names, at least one")


def check_counts(configuration: object, *fields: str) -> None:
    """Numbers, or all numbers of a list, are 1 or more; None passes.

    Raises:
        ArgumentError: naming the first field that is not.
    """
    for name in fields:
        value = getattr(configuration, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and number < 1:
                raise ArgumentError(name, number, "1 or more")


def check_positives(positives: int | float | None, batch: int, rows: int) -> None:
    """Positives of a batch leave room for a negative, also where a batch is all training rows.

    Raises:
        ArgumentError: they do not.
    """
    most = min(batch, rows) - 1
    if isinstance(positives, int) and not 1 <= positives <= most:
        why = "less than `batch`" if batch <= rows else f"as the training part has {rows} rows"
        raise ArgumentError("batch_positives", positives, f"1 to {most}, {why}")
    if isinstance(positives, float) and not 0 < positives < 1:
        raise ArgumentError("batch_positives", positives, "a share below 1, or a whole number")


def check_trials(trials: int, grid_sizes: dict[str, int]) -> None:
    """Every method has so many settings to try.

    Raises:
        ArgumentError: one has fewer.
    """
    smallest = min(grid_sizes, key=grid_sizes.__getitem__)
    if trials > grid_sizes[smallest]:
        raise ArgumentError(
            "trials",
            trials,
            f"at most {grid_sizes[smallest]}: {smallest} has no more settings, and the number of "
            "trials is that of every method",
        )
