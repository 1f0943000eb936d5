"""The pages of comparisons: which runs they show, and what was done."""

from __future__ import annotations

from dataclasses import dataclass

from prepare import HIV_INACTIVES

L2_BEFORE = (0.0, 1e-4, 1e-3, 1e-2)
"""The weight decays that were tried before results named them."""

FOLDS = [f"mq2008-fold{fold}" for fold in range(1, 6)]


@dataclass(frozen=True)
class Page:
    """A page: a column of its table for each run.

    Attributes:
        title: heading.
        text: what was done; names in braces are filled in from the configuration of the run.
        runs: name of the run's folder -> heading of its column.
        mean: whether the last column is the mean and deviation over the runs.
        prepared: whether `prepare.py` makes the files that the commands read.
        whole_table: whether the table has the run's own columns, not their average.
        pair: two methods whose difference is taken seed by seed, where a run has both.
    """

    title: str
    text: str
    runs: dict[str, str]
    mean: bool = False
    prepared: bool = False
    whole_table: bool = False
    pair: tuple[str, str] = ("refine", "tuned")


PAGES = {
    "digits": Page(
        "Average precision on digits",
        "Scikit-learn's handwritten digits, each of ten classes against the rest. `make demo` runs "
        "this comparison. On another processor some cells differ by a few tenths. A seed is "
        "another split and other initial weights.",
        {"demo": "average"},
        whole_table=True,
    ),
    "diabetes": Page(
        "Average precision on diabetes",
        "442 patients with ten measurements; positive is the quarter whose disease grew worst in "
        "the year that followed (Efron, Hastie, Johnstone, Tibshirani 2004; scikit-learn has the "
        "table). The model is linear. Where cross-entropy is kept, its training AP is below 80 and "
        "validation's is within 5 points of it: by the [rule](../refine.md) refining may "
        "gain, as it hardly does on [digits](digits.md). `make demo` runs both.",
        {"demo-diabetes": "AP"},
    ),
    "mammography": Page(
        "Average precision on mammography",
        "All default methods. Few regions of the mammograms are microcalcifications. A seed is "
        "another split into 60 % training, 20 % validation and 20 % test, and other initial "
        "weights. Most of the deviation over seeds comes from the splits, which all methods share.",
        {"mammography": "AP"},
    ),
    "mq2008": Page(
        "NDCG on LETOR MQ2008",
        "The five official folds: three fifths train, one validates, one tests. Relevances are 0, "
        "1 and 2; the gain is 2^relevance - 1, without cutoff. Queries without a relevant "
        "document have no NDCG and are left out of the mean; LETOR's own script counts them. "
        "`logistic` separates relevant from not relevant, `regression` is the squared error of "
        "the relevance, `listnet` the softmax cross-entropy of ListNet.",
        {run: f"fold {number}" for number, run in enumerate(FOLDS, start=1)},
        mean=True,
        prepared=True,
    ),
    "imbalanced-f1": Page(
        "F1 on imbalanced tables",
        "The threshold of every method, cross-entropy included, is fitted to the training split "
        "before it is measured. A seed is another split and other initial weights.",
        {"f1-mammography": "mammography", "f1-pc4": "pc4"},
    ),
    "molecules": Page(
        "Virtual screening: BEDROC and average precision on HIV",
        f"Morgan fingerprints of all active molecules and of {HIV_INACTIVES} inactive ones, drawn "
        "once at random. So actives are less rare here than in the full set. A seed is another "
        "random split (not by scaffold) and other initial weights. The direct methods of a column "
        "train on the metric of that column.",
        {"molecules-bedroc": "BEDROC, alpha 20", "molecules-average-precision": "AP"},
        prepared=True,
    ),
    "camvid": Page(
        "Mean IoU of eleven classes on CamVid",
        "A decoder of three small convolutions on frozen features of SqueezeNet 1.1; labels at "
        "{size[0]} x {size[1]} pixels, {epochs} epochs on {images[0]} images, with {images[1]} "
        "for validation and {images[2]} for test. Void pixels are left out. The IoU of a class is "
        "taken over all pixels of a split. A seed is other initial weights and batches; the "
        "images are the same. All but `logistic` (softmax cross-entropy) add {weight:g} times a "
        "second loss to it: `dice` 1 - soft Dice, `lovasz-hinge` the Lovasz hinge (Berman, Rannen "
        "Triki, Blaschko, CVPR 2018), `direct` the direct loss of the Jaccard index in both "
        "directions with an epsilon in units of the scores, which is a factor of its own for each "
        "class; `direct, unit of the loss` has one weight of Delta for all classes. Each takes a "
        "list a class over the pixels of {batch} images, and the log odds of the class against "
        "the rest.",
        {"camvid": "mean IoU"},
        pair=("direct", "dice"),
    ),
}
