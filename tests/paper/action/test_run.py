from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from directloss.datasets.voc import VOCFolder
from directloss.errors import ArgumentError
from directloss.models import MLP
from directloss.models.features import crop_features, cut_crops
from directloss.paper.action.config import ActionExperiment
from directloss.paper.action.features import CropStage, Table, make_table
from directloss.paper.action.fine_tune import Classifier, keep_crops
from directloss.paper.action.gallery import SHOWN, make_gallery
from directloss.paper.action.methods import ACTION_METHODS
from directloss.paper.action.persons import Persons, read_persons
from directloss.paper.action.run import Outcome, run_experiment
from directloss.paper.action.trial import load_problem
from directloss.report.page import render
from directloss.report.schema import Results
from directloss.study.folder import FolderError
from directloss.training.methods import Settings
from directloss.training.optimiser import make_optimiser
from tests.paper.action.conftest import METHODS, experiment_on


def numbers(results: Results) -> dict[str, object]:
    """All that must be the same whenever the experiment runs."""
    content = results.model_dump(exclude={"created", "command"})
    for run in content["runs"]:
        del run["seconds"]
    return content


def test_the_results_are_complete(outcome: Outcome, out: Path) -> None:
    results = Results.model_validate_json((out / "results.json").read_text())
    assert results == outcome.results
    assert results.columns == ["jumping", "waving"]
    assert results.methods == list(METHODS)
    assert len(results.runs) == 3 * 2 * 2
    assert len(results.trials) == 2 * len(results.runs)
    costs = json.loads((out / "costs.json").read_text())
    assert {name: cost["items"] for name, cost in costs.items()} == {"features": 24, "heads": 24}


def test_every_method_learns_to_tell_the_colours(outcome: Outcome) -> None:
    for row in outcome.results.table.rows:
        assert row.average.mean > 0.7, row.method  # a quarter of the persons are positive


def test_settings_are_chosen_on_validation(outcome: Outcome) -> None:
    for run in outcome.results.runs:
        tried = [
            trial.validation
            for trial in outcome.results.trials
            if (trial.method, trial.column, trial.seed) == (run.method, run.column, run.seed)
        ]
        assert run.validation == max(tried)


def test_a_second_run_finds_everything_done(
    outcome: Outcome, folder: Path, persons: Persons, cache: Path, out: Path
) -> None:
    heard: dict[str, list[bool]] = {}

    def on_stage(name: str, items: int) -> object:
        return heard.setdefault(name, []).append

    again = run_experiment(
        experiment_on(folder, persons), persons, out, cache, command=[], on_stage=on_stage
    )
    assert heard == {"features": [True] * 24, "heads": [True] * 24}
    assert numbers(again.results) == numbers(outcome.results)


def test_another_experiment_does_not_get_the_folder(
    outcome: Outcome, folder: Path, persons: Persons, cache: Path, out: Path
) -> None:
    other = experiment_on(folder, persons, padding=8)
    with pytest.raises(FolderError, match="padding was 16, now 8"):
        run_experiment(other, persons, out, cache, command=[])


def test_features_are_kept_by_content_and_settings(
    outcome: Outcome, folder: Path, persons: Persons, cache: Path
) -> None:
    settings = experiment_on(folder, persons).crops
    stage = CropStage(cache, settings, tuple(settings.identity()))
    table, _, cost = make_table(persons, settings, cache)
    assert (cost.items, cost.reused) == (24, 24)
    fifth = persons.photographs[5]
    rows = persons.image_of_person == 5
    wanted = crop_features(settings, fifth.file, fifth.boxes)
    np.testing.assert_allclose(table.features[:, rows], wanted, rtol=1e-5, atol=1e-5)
    assert stage.path(fifth) != stage.path(persons.photographs[4])
    assert stage.path(fifth) != CropStage(cache, settings, ("other",)).path(fifth)


def test_a_table_survives_its_file(outcome: Outcome, out: Path, tmp_path: Path) -> None:
    table = Table.load(out / "features.npz")
    table.save(tmp_path / "copy.npz")
    copy = Table.load(tmp_path / "copy.npz")
    assert copy.classes == table.classes == ("jumping", "waving")
    np.testing.assert_array_equal(copy.features, table.features)
    np.testing.assert_array_equal(copy.labels, table.labels)


def test_a_corrupt_photograph_is_one_line_and_the_rest_is_used(
    folder: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(folder, tmp_path / "voc")
    file = broken / "JPEGImages" / "photo03.jpg"
    file.write_bytes(file.read_bytes()[:1000])
    persons = read_persons(VOCFolder(broken), "trainval")
    settings = experiment_on(broken, persons).crops
    table, usable, _ = make_table(persons, settings, tmp_path / "cache")
    (remark,) = usable.remarks
    assert remark.startswith("JPEGImages/photo03.jpg cannot be read: ")
    assert len(table.labels) == len(persons.labels) - 2
    assert all(photograph.image_id != "photo03" for photograph in usable.photographs)


def test_all_layers_go_on_from_the_head(
    outcome: Outcome, folder: Path, persons: Persons, cache: Path, out: Path, tmp_path: Path
) -> None:
    options = {"classes": ("waving",), "splits": 1, "all_iterations": 2, "all_rate": 1e-3}
    some = read_persons(VOCFolder(folder), "trainval", ["waving"])
    options["persons_sha256"] = some.fingerprint()
    methods = {"methods": ("pos-ap", "softmax")}
    heads = run_experiment(
        experiment_on(folder, some, **options, **methods),
        some,
        tmp_path / "head",
        cache,
        command=[],
    )
    tuned = run_experiment(
        experiment_on(folder, some, **options, **methods, train="all"),
        some,
        tmp_path / "all",
        cache,
        command=[],
    )
    for before, after in zip(heads.results.runs, tuned.results.runs, strict=True):
        assert after.history.iteration == [0, 1, 2]
        # The first entry goes through the crops, the head's result through kept features.
        assert after.history.test[0] == pytest.approx(before.test, abs=0.02)
        assert after.history.validation[0] == pytest.approx(before.validation, abs=0.02)
        assert after.validation == max(after.history.validation)
        assert after.history.spread[2] != after.history.spread[0]


def test_the_top_layer_learns_ten_times_as_fast(folder: Path, persons: Persons) -> None:
    experiment = experiment_on(folder, persons, all_rate=0.02)
    backbone = experiment.crops.load()
    ones = np.ones(backbone.width, dtype=np.float32)
    model = Classifier(backbone, MLP(backbone.width, ()), ones, ones)
    config = experiment.fine_tune_config(Settings(learning_rate=0.1, l2=0.3), 0)
    rates = {
        id(parameter): group["lr"]
        for group in make_optimiser(model, config).param_groups
        for parameter in group["params"]
    }
    assert {rates[id(each)] for each in model.head.parameters()} == {10 * 0.02}
    assert {rates[id(each)] for each in model.backbone.parameters()} == {0.02}


def test_crops_are_kept_in_the_order_of_the_persons(
    folder: Path, persons: Persons, cache: Path
) -> None:
    settings = experiment_on(folder, persons).crops
    file = keep_crops(persons, settings, cache)
    written = file.stat().st_mtime_ns
    pixels = np.load(file, mmap_mode="r")
    assert pixels.shape == (len(persons.labels), 3, 64, 64)
    fifth = persons.photographs[5]
    wanted = cut_crops(settings, fifth.file, fifth.boxes)[0].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(pixels[persons.image_of_person == 5], wanted)
    assert keep_crops(persons, settings, cache).stat().st_mtime_ns == written


def test_the_gallery_shows_the_ends_of_the_ranking(
    outcome: Outcome, folder: Path, persons: Persons, out: Path
) -> None:
    gallery = make_gallery(outcome.results, outcome.persons, outcome.rankings)
    assert [column.column for column in gallery.columns] == ["jumping", "waving"]
    experiment = experiment_on(folder, persons)
    for number, column in enumerate(gallery.columns):
        problem = load_problem(experiment, out / "features.npz", column.column, 0)
        ranking = outcome.rankings[gallery.method, column.column]
        assert sorted(ranking) == sorted(problem.test)
        positive = persons.labels[ranking, number] == 1
        assert [p.positive for p in column.highest] == positive[:SHOWN].tolist()
        assert all(picture.positive for picture in column.worst)
        last = int(np.flatnonzero(positive)[-1]) + 1
        assert column.worst[0].caption == f"rank {last}"
        assert (column.positives, column.persons) == (positive.sum(), len(ranking))
    page = render(outcome.results, "action.html.j2", gallery=gallery, remarks=("<b> is odd",))
    assert page.count("data:image/jpeg;base64,") == sum(
        len(column.highest) + len(column.worst) for column in gallery.columns
    )
    assert "&lt;b&gt; is odd" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("blackbox",)}, "methods: got 'blackbox', wanted some of logistic"),
        ({"methods": ()}, "methods: got , wanted distinct names"),
        ({"trials": 10}, "trials: got 10, wanted at most 9: logistic has no more settings"),
        ({"splits": 0}, "splits: got 0, wanted 1 or more"),
        ({"label_flips": 1.0}, "label_flips: got 1.0"),
        ({"padding": 32}, "padding: got 32, wanted 0 or more, below half of `size`"),
        ({"all_rate": 0.0}, "all_rate: got 0.0"),
    ],
)
def test_options_are_checked(
    folder: Path, persons: Persons, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        experiment_on(folder, persons, **changes).check()


def test_the_methods_are_those_of_the_paper_with_the_mix_refining_and_softmax() -> None:
    names = ("logistic", "hinge-01", "hinge-ap", "pos-ap", "neg-ap", "mix-ap", "refine", "softmax")
    assert tuple(ACTION_METHODS) == names
    experiment = ActionExperiment(voc=".", persons_sha256="", weights_sha256="")
    assert set(experiment.methods) == set(names)
