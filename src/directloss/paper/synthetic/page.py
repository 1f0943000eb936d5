"""The page of a study: claims, tables, curves, label noise, what was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from directloss.paper.synthetic import view
from directloss.paper.synthetic.claims import MEASURES
from directloss.paper.synthetic.results import RULES, Difference, StudyResults
from directloss.paper.synthetic.summary import behind, differently_chosen
from directloss.report import page

RULE_WORDS = {
    "training": "settings chosen by the final AP on the training half, as in the paper",
    "validation": "settings chosen by the AP on the held-out half of the tuning seed",
}


def render(study: StudyResults, noise_pictures: Mapping[str, str]) -> str:
    """The text of the page.

    Args:
        study: the results.
        noise_pictures: "light" and "dark": the figure of label noise as a data URI; or nothing.
    """
    by_rule = {rule: view.average_precision(study, rule) for rule in RULES}
    return page.render(
        by_rule[RULES[0]],
        "study.html.j2",
        drawn=view.quantities(study, RULES[0]),
        study=study,
        by_rule=by_rule,
        accuracy=view.accuracy(study, RULES[0]),
        rule_words=RULE_WORDS,
        behind=behind(study),
        unlike=differently_chosen(study),
        points=points,
        measures=list(MEASURES),
        noise_pictures=noise_pictures,
    )


def points(difference: Difference) -> str:
    """A difference in points of 100 AP with its interval."""
    mean, low, high = (
        f"{100 * value:+.2f}" for value in (difference.mean, difference.low, difference.high)
    )
    return f"{mean} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")
