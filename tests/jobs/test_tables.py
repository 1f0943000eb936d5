"""Training, evaluation and prediction read one table alike."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score
from typer.testing import CliRunner

from directloss.cli._app import app

QUICK = ("--method", "logistic", "--hidden", "none", "--epochs", 3, "--evaluations", 2, "--no-log")


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", done.output).split())


def positives(model: Path, data: Path) -> int:
    found = re.search(r"(\d+) of them", said("evaluate", model, "--data", data, "--resamples", 0))
    assert found is not None
    return int(found[1])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    a = generator.normal(size=120).round(3)
    return pd.DataFrame({"a": a, "y": (a + 0.5 * generator.normal(size=120) > 0.8).astype(int)})


@pytest.fixture(scope="module")
def model(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    table.to_csv(folder / "t.csv", index=False)
    data = ("--data", folder / "t.csv", "--target", "y")
    text = said("train", *data, *QUICK, "--out", folder / "model")
    assert "y = 1 is positive" in text
    return folder / "model"


@pytest.mark.parametrize("spelling", ["1.0", "+1", " 1", "TRUE", "01"])
def test_labels_are_compared_by_value(
    spelling: str, model: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    cells = np.where(table["y"] == 1, spelling, "0")
    table.assign(y=cells).to_csv(tmp_path / "t.csv", index=False)
    assert positives(model, tmp_path / "t.csv") == table["y"].sum()


@pytest.mark.parametrize("kind", ["bool", "boolean", "float", "Int64", "category", "str"])
def test_labels_of_every_type(kind: str, model: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    table.astype({"y": kind}).to_parquet(tmp_path / "t.parquet")
    assert positives(model, tmp_path / "t.parquet") == table["y"].sum()


def test_an_unknown_label_is_refused(model: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    table.assign(y=table["y"] + 1).to_csv(tmp_path / "t.csv", index=False)
    text = said("evaluate", model, "--data", tmp_path / "t.csv", code=2)
    assert "'y' holds '2', which the training did not know; it knew '0', '1'" in text


def test_rows_without_a_target(model: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    gaps = table.assign(y=table["y"].astype("Int64").mask(table.index < 20))
    gaps.to_csv(tmp_path / "t.csv", index=False)
    data = ("--data", tmp_path / "t.csv", "--target", "y")
    refused = said("train", *data, *QUICK, "--out", tmp_path / "m", code=2)
    assert "'y' is missing in 20 of 120 rows" in refused
    text = said("train", *data, *QUICK, "--drop-missing-target", "--out", tmp_path / "m")
    assert "100 rows (60 training" in text
    assert "20 rows without a 'y' are left out" in text
    assert positives(tmp_path / "m", tmp_path / "t.csv") == table["y"][20:].sum()
    said("predict", tmp_path / "m", "--data", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    assert len(pd.read_csv(tmp_path / "p.csv")) == 120


def test_predict_writes_what_it_reads(model: Path, tmp_path: Path) -> None:
    rows = [
        ["a", "note", ""],
        ["0.5", "lone\rreturn", "0"],
        ["", 'two\nlines, "quoted"', "=1+1"],
        [" 7 ", "NA", "é"],
    ]
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    said("predict", model, "--data", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.reader(file))
    assert [line[:-2] for line in written] == rows
    assert written[0][-2:] == ["score", "score_probability"]
    assert b"\r\n" not in (tmp_path / "p.csv").read_bytes()


def test_predict_does_not_replace_what_it_reads(
    model: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    before = (tmp_path / "t.csv").read_bytes()
    for out in (tmp_path / "t.csv", tmp_path / "." / ".." / tmp_path.name / "t.csv"):
        text = said("predict", model, "--data", tmp_path / "t.csv", "--out", out, code=2)
        assert "--out: got" in text and "wanted another file than that of the data" in text
    assert (tmp_path / "t.csv").read_bytes() == before


def test_a_wish_says_that_the_data_of_the_training_are_missing(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    for name in ("t.csv", "other.csv"):
        table.to_csv(tmp_path / name, index=False)
    data = ("--data", tmp_path / "t.csv", "--target", "y")
    said("train", *data, *QUICK, "--out", tmp_path / "model")
    evaluate = ("evaluate", tmp_path / "model", "--data", tmp_path / "other.csv", "--resamples", 0)
    table[1:].to_csv(tmp_path / "t.csv", index=False)
    text = said(*evaluate, "--recall", 0.8, code=2)
    assert "--recall: got 0.8, wanted the data of the training" in text
    assert "t.csv has changed since the training" in text
    (tmp_path / "t.csv").unlink()
    text = said(*evaluate, "--cost", 1, 5, code=2)
    assert "--cost: got (1.0, 5.0), wanted the data of the training" in text
    text = said("evaluate", tmp_path / "model", code=2)
    assert "--data: no file" in text
    assert "model/configuration.toml says that the data of the training are" in text
    said(*evaluate)


def test_a_model_reads_as_it_was_told(table: pd.DataFrame, tmp_path: Path) -> None:
    cells = table.assign(a=(1000 * table["a"]).map("{:,.1f}".format))
    cells = cells.assign(a=cells["a"].str.translate(str.maketrans(",.", ".,")))
    cells.to_csv(tmp_path / "t.csv", index=False, sep=";", encoding="utf-16")
    data = ("--data", tmp_path / "t.csv", "--target", "y", *QUICK, "--out", tmp_path / "m")
    assert "say --encoding utf-16" in said("train", *data, code=2)
    how = ("--sep", ";", "--encoding", "utf-16")
    assert "--thousands '.' --decimal ','" in said("train", *data, *how, code=2)
    text = said("train", *data, *how, "--thousands", ".", "--decimal", ",")
    assert "1 features" in text
    assert positives(tmp_path / "m", tmp_path / "t.csv") == table["y"].sum()
    said("predict", tmp_path / "m", "--data", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    table.assign(a=1000 * table["a"]).to_parquet(tmp_path / "t.parquet")
    said("predict", tmp_path / "m", "--data", tmp_path / "t.parquet", "--out", tmp_path / "q.csv")
    p, q = (
        pd.read_csv(tmp_path / name, sep=";", encoding="utf-16", thousands=".", decimal=",")
        for name in ("p.csv", "q.csv")
    )
    np.testing.assert_allclose(p["score"], q["score"], rtol=1e-5)
    pd.testing.assert_frame_equal(p[["a", "y"]], q[["a", "y"]])
    for name in ("p.csv", "q.csv"):
        assert positives(tmp_path / "m", tmp_path / name) == table["y"].sum()


def test_a_sign_that_the_encoding_of_the_model_lacks(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--encoding", "latin-1")
    said("train", *data, *QUICK, "--out", tmp_path / "m")
    table.assign(note="5 \u20ac").to_parquet(tmp_path / "t.parquet")
    predict = ("predict", tmp_path / "m", "--data", tmp_path / "t.parquet", "--out")
    text = said(*predict, tmp_path / "p.csv", code=2)
    assert "--out: got a .csv file, wanted a .parquet file" in text
    assert "in latin-1, there is no '\u20ac'" in text
    assert not (tmp_path / "p.csv").exists()
    said(*predict, tmp_path / "p.parquet")


def test_numbers_of_the_model_are_numbers_in_parquet(table: pd.DataFrame, tmp_path: Path) -> None:
    cells = table.assign(a=table["a"].map("{:.3f}".format).str.replace(".", ","), id="007")
    cells.loc[3, "a"] = "NA"
    cells.to_csv(tmp_path / "t.csv", index=False, sep=";")
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--sep", ";", "--decimal", ",")
    said("train", *data, "--drop", "id", *QUICK, "--out", tmp_path / "m")
    predict = ("predict", tmp_path / "m", "--data")
    said(*predict, tmp_path / "t.csv", "--out", tmp_path / "p.parquet")
    found = pd.read_parquet(tmp_path / "p.parquet")
    pd.testing.assert_series_equal(found["a"], table["a"].where(table.index != 3))
    assert list(found["id"]) == ["007"] * len(table)
    assert positives(tmp_path / "m", tmp_path / "p.parquet") == table["y"].sum()
    cells.to_parquet(tmp_path / "texts.parquet")
    said(*predict, tmp_path / "texts.parquet", "--out", tmp_path / "q.parquet")
    assert list(pd.read_parquet(tmp_path / "q.parquet")["a"]) == list(cells["a"])


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_model_advises_no_option_of_the_training(
    command: str, model: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    sink = ("--out", tmp_path / "p.csv") if command == "predict" else ()

    def refused(model: Path, name: str) -> str:
        text = said(command, model, "--data", tmp_path / name, *sink, code=2)
        assert "say --" not in text
        assert not (tmp_path / "p.csv").exists()
        return text

    table.to_csv(tmp_path / "t.csv", index=False, encoding="utf-16")
    text = refused(model, "t.csv")
    assert "is UTF-16 text; the model was trained with --encoding 'utf-8': write the file" in text
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--encoding", "utf-16")
    said("train", *data, *QUICK, "--out", tmp_path / "m")
    table.to_csv(tmp_path / "t.csv", index=False)
    assert "was trained with --encoding 'utf-16'" in refused(tmp_path / "m", "t.csv")
    table.to_csv(tmp_path / "t.txt", index=False)
    assert "the model was trained with no --sep" in refused(model, "t.txt")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_model_says_what_stands_between_its_cells(
    command: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.assign(b=2 * table["a"]).to_csv(tmp_path / "t.csv", index=False, sep=";")
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--sep", ";")
    said("train", *data, *QUICK, "--out", tmp_path / "m")
    table.assign(b=2 * table["a"]).to_csv(tmp_path / "t.csv", index=False)
    sink = ("--out", tmp_path / "p.csv") if command == "predict" else ()
    text = said(command, tmp_path / "m", "--data", tmp_path / "t.csv", *sink, code=2)
    wanted = "'y', 'a', 'b'" if command == "evaluate" else "'a', 'b'"
    assert f"has no column {wanted}, which the model reads; it has 'a,y,b'; if ',' stands" in text
    assert "between two names, the model was trained with --sep ';': write the file so" in text


def test_scores_do_not_take_a_name_that_looks_taken(
    model: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.assign(**{"score ": 1}).to_csv(tmp_path / "t.csv", index=False)
    data = ("--data", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    assert "--column: got 'score', wanted another name" in said("predict", model, *data, code=2)
    said("predict", model, *data, "--column", "s")
    for name in ("", "  ", "\u200b"):
        assert "wanted a name" in said("predict", model, *data, "--column", name, code=2)


def test_a_file_is_wanted_in_a_folder_that_exists(
    model: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "folder.csv").mkdir()
    data = ("predict", model, "--data", tmp_path / "t.csv", "--out")
    text = said(*data, tmp_path / "nowhere" / "p.csv", code=2)
    assert "--out: got" in text and "wanted a file in a folder that exists" in text
    text = said(*data, tmp_path / "folder.csv", code=2)
    assert "--out: got" in text and "wanted a file, and this is a folder" in text


def test_positives_of_a_batch_are_called_by_their_option(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--out", tmp_path / "m")
    batch = ("--batch", 300, "--batch-positives", 299)
    text = said("train", *data, *batch, *QUICK, code=2)
    wanted = "got 299, wanted 1 to 71, as the training part has 72 rows"
    assert text == f"directloss: --batch-positives: {wanted}"
    assert said("compare", *data, *batch, code=2).endswith(
        f"directloss: --batch-positives: {wanted}"
    )
    for command in ("train", "compare"):
        text = said(command, *data, "--batch", 9, "--batch-positives", 9, code=2)
        assert text == "directloss: --batch-positives: got 9, wanted 1 to 8, less than --batch"
    text = said("train", *data, "--batch", 9, "--batch-positives", 1.5, code=2)
    assert (
        text == "directloss: --batch-positives: got 1.5, wanted a share below 1, or a whole number"
    )
    group = ("--group", "a", "--batch", 9, "--batch-positives", 2)
    assert "wanted nothing, for queries" in said("train", *data, *group, code=2)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_ways_out_of_a_target_of_many_values(ending: str, tmp_path: Path) -> None:
    grades = pd.DataFrame({"q": np.arange(80) // 8, "a": np.arange(80.0), "y": np.arange(80) % 4})
    file = tmp_path / f"t.{ending}"
    grades.to_csv(file, index=False) if ending == "csv" else grades.to_parquet(file)
    data = ("--data", file, "--target", "y", "--metric", "ndcg", "--out", tmp_path / "m")
    text = said("train", *data, *QUICK, code=2)
    assert "name the column of queries with --group; else say which one is positive" in text
    said("train", *data, "--group", "q", *QUICK)


def test_the_row_of_ndcg_means_one_thing(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(size=300).round(3)
    grade = np.clip(np.floor(a + generator.normal(size=300) + 1), 0, 4).astype(int)
    table = pd.DataFrame({"q": np.repeat(np.arange(30), 10), "a": a, "grade": grade})
    table.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "m"
    data = ("--data", tmp_path / "t.csv", "--target", "grade", "--group", "q")
    text = said("train", *data, *QUICK, "--metric", "average-precision", "--out", out)
    assert "a 'grade' above 0 counts as 1" in text
    assert "of relevances only NDCG knows the size" in said("evaluate", out, "--resamples", 0)
    found = json.loads((out / "evaluation" / "evaluation.json").read_text())
    assert found["lines"][0]["value"] == json.loads((out / "metrics.json").read_text())["test"]
    said("evaluate", out, "--data", tmp_path / "t.csv", "--resamples", 0)
    found = json.loads((out / "evaluation" / "evaluation.json").read_text())
    values = {line["name"]: line["value"] for line in found["lines"]}
    said("predict", out, "--data", tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    lists = [g for _, g in pd.read_csv(tmp_path / "p.csv").groupby("q") if g["grade"].any()]
    wanted = np.mean([ndcg_score([2.0 ** g["grade"] - 1], [g["score"]]) for g in lists])
    assert values["ndcg"] == pytest.approx(wanted)


def test_names_are_quoted_and_options_are_called_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a, y\n1,0\n2,1\n")
    data = ("--data", tmp_path / "t.csv", "--target", "y", "--out", tmp_path / "m")
    assert "no column 'y'; it has 'a', ' y'" in said("train", *data, code=2)
    wrong = said("train", *data, "--metric", "nothing", code=2)
    assert wrong.startswith("directloss: --metric: got 'nothing', wanted one of ")
    assert wrong.count("got") == 1
    assert said("train", *data, "--learning-rate", -1, code=2).startswith(
        "directloss: --learning-rate: got -1.0, "
    )
    assert said("train", *data, "--thousands", ".", code=2).startswith(
        "directloss: --thousands: got '.', another sign"
    )
    assert "--sep: got ';;'" in said("compare", *data, "--sep", ";;", code=2)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    rows = [f"{k}%,id {k},{k}.5,{k % 2}" for k in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["share,name,n,y", *rows, "1%,x,?,1"]) + "\n")
    data = ("--data", tmp_path / "t.csv", "--out", tmp_path / "m")
    text = said("train", *data, "--target", "y", "--positive", "3", code=2)
    for part in ("(1) --positive", "'share'", "--drop 'name'", "--missing '?'"):
        assert part in text
    text = said("train", *data, "--target", "z", "--group", "g", "--drop", "d", code=2)
    assert all(f"no column {name!r}" in text for name in "zgd")
