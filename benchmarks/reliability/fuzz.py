"""Mutated files for every reader: each must give its data or an error made for the user.

Mutations know no format; they flip, cut, repeat and exchange bytes of valid files, and put in bytes
that parsers are known to stumble over. Each batch of them is read in a process of its own, so that
a crash of a native library, endless work and a flood of memory are found as well.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

SECONDS = 600.0
_BATCH = 200  # files a process
_PATIENCE = 60.0  # seconds for a batch
_MEMORY = 6 << 30  # bytes of addresses, of which torch alone takes some

Reader = Callable[[Path], object]

_TOKENS = [
    *(b"", b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0"),
    *(b"-1", b"1e999", b"nan", b"inf", b"9" * 40, b'"', b"'", b",", b"\n", b"\r", b"\t"),
    *(b"[", b"]", b"{", b"}", b"=", b"[[", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"%s", b"../"),
    *(b"null", b"true", b"\\u0000", b"1:1 ", b"0x" + b"f" * 5000, b"<!DOCTYPE a [", b"<!ENTITY "),
    *(b"&a;", b"</", b"<a>" * 200, b"[" * 2000, b"a." * 2000, b"utf-16", b"gb2312", b"punycode"),
]


@dataclass(frozen=True)
class Target:
    """A reader, the ending of its files, and valid ones to begin with."""

    ending: str
    read: Reader
    seeds: list[bytes]


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A few random changes of a file."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        place = draw.randrange(len(data) + 1)
        length = draw.choice([1, 1, 2, 4, 8, 64, 512])
        kind = draw.randrange(7)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[place : place + length] = draw.randbytes(length)
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length]
        elif kind == 4:
            data[place:place] = draw.choice(_TOKENS)
        elif kind == 5:
            data[place : place + 4] = draw.choice(_TOKENS)
        else:
            other = draw.choice(others)
            start = draw.randrange(len(other) + 1)
            data[place : place + length] = other[start : start + length]
    if draw.random() < 0.1:
        del data[draw.randrange(len(data) + 1) :]
    return bytes(data)


def fuzz(folder: Path) -> dict[str, Any]:
    """Goes round all readers until the time is over."""
    targets = make_targets(folder)
    share = float(os.environ.get("FUZZ_SECONDS", SECONDS)) / len(targets)
    found: dict[str, Any] = {}
    for name, target in targets.items():
        outcomes: Counter[str] = Counter()
        failures: list[str] = []
        end = time.monotonic() + share
        batch = 0
        while time.monotonic() < end:
            outcomes += _batch(name, target, batch, folder, failures)
            batch += 1
        found[name] = {
            "files": outcomes.total(),
            "read": outcomes["read"],
            "refused with a clear error": outcomes["refused"],
            "other errors": outcomes["other"],
            "crashes, hangs": outcomes["crash"],
        }
        print(name, found[name], *failures[:5], sep="\n", flush=True)
    return found


def _batch(
    name: str, target: Target, number: int, folder: Path, failures: list[str]
) -> Counter[str]:
    """Reads `_BATCH` files in a fork of this process."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    report = work / "report.txt"
    pid = os.fork()
    if not pid:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.chdir(work)
            with report.open("w") as out:
                _read_all(
                    name, target, number, work, lambda line: print(line, file=out, flush=True)
                )
        finally:
            os._exit(0)
    status = _wait(pid)
    lines = report.read_text().splitlines() if report.exists() else []
    outcomes = Counter(line.split(" ", 1)[0] for line in lines)
    failures.extend(line for line in lines if line.startswith("other"))
    if status != 0:
        outcomes["crash"] += 1
        failures.append(f"ended with {status} after {len(lines)} files of batch {number}")
        kept = Path("/tmp") / f"fuzz-{name}-{number}{target.ending}"
        file = work / f"file{target.ending}"
        if file.is_file():
            shutil.copy(file, kept)
    return outcomes


def _read_all(
    name: str, target: Target, number: int, work: Path, say: Callable[[str], None]
) -> None:
    from directloss.errors import DirectLossError

    warnings.simplefilter("ignore")
    draw = random.Random(f"{name} {number}")
    file = work / f"file{target.ending}"
    for _ in range(_BATCH):
        file.write_bytes(mutated(draw.choice(target.seeds), target.seeds, draw))
        try:
            target.read(file)
        except DirectLossError:
            say("refused")
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in place if "directloss" in frame.filename]
            where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
            say(f"other {type(error).__name__} at {where}: {' '.join(str(error).split())[:200]}")
        else:
            say("read")


def _wait(pid: int) -> int:
    end = time.monotonic() + _PATIENCE
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > end:
            os.kill(pid, 9)
        time.sleep(0.005)


def make_targets(folder: Path) -> Mapping[str, Target]:
    """Every reader of files that a user can give."""
    from PIL import Image
    from sklearn.datasets import dump_svmlight_file

    from directloss.datasets import DataError, FeatureRules, load, prepare
    from directloss.datasets.images import ImageRecipe
    from directloss.datasets.rows import read_rows
    from directloss.datasets.streamed import prepare_stream
    from directloss.datasets.voc import VOCFolder, read_image
    from directloss.jobs.config import read_configuration
    from directloss.jobs.model import open_model
    from directloss.models.weights import read_state
    from directloss.training.checkpoints import pack, unpack
    from directloss.training.model_folder import read_tensors

    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(60, 3)), columns=["a", "b", "c"]).round(3)
    table.loc[::5, "b"] = np.nan
    table["k"] = generator.choice(["red", "green"], 60)
    table["y"] = (np.arange(60) % 4 == 0).astype(int)
    seeds = folder / "seeds"
    seeds.mkdir()
    table.to_csv(seeds / "t.csv", index=False)
    table.to_csv(seeds / "t.tsv", index=False, sep="\t")
    table.to_parquet(seeds / "t.parquet", row_group_size=20)
    table.to_parquet(seeds / "plain.parquet", compression=None)
    table.to_feather(seeds / "t.arrow", chunksize=20)
    table.to_feather(seeds / "plain.arrow", compression="uncompressed")
    np.savez(seeds / "t.npz", x=table[["a", "c"]].to_numpy(), y=table["y"].to_numpy())
    dump_svmlight_file(table[["a", "c"]].to_numpy(), table["y"].to_numpy(), str(seeds / "t.svm"))
    pixels = generator.integers(0, 255, (24, 20, 3), np.uint8)
    exif = Image.Exif()
    exif[0x112] = 6
    for ending in ("png", "jpg", "bmp", "webp", "tif"):
        Image.fromarray(pixels).save(seeds / f"i.{ending}", exif=exif)
    deep = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    deep.save(seeds / "deep.png")
    deep.save(seeds / "deep.tif")
    Image.fromarray(pixels[:, :, 0].astype(np.float32) / 255).save(seeds / "float.tif")
    Image.fromarray(pixels).convert("RGBA").save(seeds / "alpha.png")
    Image.fromarray(pixels).convert("CMYK").save(seeds / "cmyk.jpg")
    model = _trained(seeds / "t.csv", folder)

    def whole(file: Path) -> None:
        source = load(str(file), target="y")
        prepare(source, positive=None, rules=FeatureRules(), seed=0)

    def svmlight(file: Path) -> None:
        prepare(load(str(file)), positive=None, rules=FeatureRules(), seed=0)

    def beside(file: Path) -> None:
        for piece in read_rows(str(file)).pieces:
            open_model(model).recipe.apply(piece.values)  # type: ignore[union-attr]

    def streamed(file: Path) -> None:
        problem = prepare_stream(
            file, target="y", split_column=None, positive=None, rules=FeatureRules(), seed=0
        )
        for part in ("train", "validation", "test"):
            list(problem.chunks(part))

    def model_file(name: str) -> Reader:
        def read(file: Path) -> None:
            broken = file.parent / "model"
            shutil.copytree(model, broken, dirs_exist_ok=True)
            _exchange(broken, name, file.read_bytes())
            open_model(broken)

        return read

    voc = _voc_folder(folder / "voc", pixels)

    def annotation(file: Path) -> None:
        shutil.copy(file, voc / "Annotations" / "a.xml")
        VOCFolder(voc).annotation("a")

    def photograph(file: Path) -> None:
        shutil.copy(file, voc / "JPEGImages" / "a.jpg")
        shutil.copy(voc / "a.xml", voc / "Annotations" / "a.xml")
        found = VOCFolder(voc)
        found.annotation("a")
        read_image(found.image_file("a"))

    def image_list(file: Path) -> None:
        for task, name in (("Main", "val"), ("Action", "running_val")):
            shutil.copy(file, voc / "ImageSets" / task / f"{name}.txt")
        found = VOCFolder(voc)
        for image_id in found.image_ids("Main", "val"):
            with suppress(DataError):
                found.annotation(image_id)
        found.person_labels("running", "val")

    def content(*names: str) -> list[bytes]:
        return [(seeds / name).read_bytes() for name in names]

    weights = {"a": torch.arange(6.0), "b": torch.ones(2, 2, dtype=torch.float64)}
    torch.save(weights, seeds / "w.pt")
    state = {"model": weights, "log": [1.0, None], "progress": {"step": 3}}
    images = [f"i.{ending}" for ending in ("png", "jpg", "bmp", "webp", "tif")]
    images += ["deep.png", "deep.tif", "float.tif", "alpha.png", "cmyk.jpg"]
    return {
        "CSV, whole": Target(".csv", whole, content("t.csv")),
        "TSV, whole": Target(".tsv", whole, content("t.tsv")),
        "CSV, in pieces": Target(".csv", beside, content("t.csv")),
        "Parquet": Target(".parquet", streamed, content("t.parquet", "plain.parquet")),
        "Arrow": Target(".arrow", streamed, content("t.arrow", "plain.arrow")),
        "npz": Target(".npz", whole, content("t.npz")),
        "svmlight": Target(".svm", svmlight, content("t.svm")),
        "images": Target(".png", lambda file: ImageRecipe(size=16).load([file]), content(*images)),
        "photographs": Target(".jpg", photograph, content(*images)),
        "annotations": Target(
            ".xml",
            annotation,
            [
                (voc / "a.xml").read_bytes(),
                (voc / "a.xml").read_bytes().decode().replace("UTF-8", "UTF-16").encode("utf-16"),
            ],
        ),
        "lists of images": Target(
            ".txt", image_list, [b"a 1 1\nb 2 -1\n", b"\xef\xbb\xbfa 1 0\r\n"]
        ),
        "configuration.toml": Target(
            ".toml",
            lambda file: read_configuration(file, {}),
            [(model / "configuration.toml").read_bytes()],
        ),
        "model.json": Target(
            ".json", model_file("model.json"), [(model / "model.json").read_bytes()]
        ),
        "preprocessing.json": Target(
            ".json", model_file("preprocessing.json"), [(model / "preprocessing.json").read_bytes()]
        ),
        "configuration.toml of a model": Target(
            ".toml", model_file("configuration.toml"), [(model / "configuration.toml").read_bytes()]
        ),
        "metrics.json": Target(
            ".json", model_file("metrics.json"), [(model / "metrics.json").read_bytes()]
        ),
        "weights.safetensors": Target(
            ".safetensors",
            model_file("weights.safetensors"),
            [(model / "weights.safetensors").read_bytes()],
        ),
        "safetensors alone": Target(
            ".safetensors",
            lambda file: read_tensors(file.read_bytes(), file),
            [(model / "weights.safetensors").read_bytes()],
        ),
        "state dictionary (.pt)": Target(
            ".pt", lambda file: read_state(str(file)), content("w.pt")
        ),
        "checkpoint": Target(
            ".checkpoint",
            lambda file: unpack(file.read_bytes(), run="r", step=3),
            [pack("r", 3, state)],
        ),
        "checkpoint with a true checksum": Target(
            ".checkpoint",
            lambda file: unpack(_sealed(file.read_bytes()), run="r", step=3),
            [pack("r", 3, state).split(b"\n", 3)[3]],
        ),
    }


def _voc_folder(root: Path, pixels: np.ndarray) -> Path:
    """One photograph with two objects; `a.xml` beside is its annotation as it was."""
    from PIL import Image

    for name in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Action"):
        (root / name).mkdir(parents=True)
    Image.fromarray(pixels).save(root / "JPEGImages" / "a.jpg")
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>15.5</xmax><ymax>20</ymax></bndbox>"
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult>{box}</object>"
        for name in ("person", "dog")
    )
    size = "<size><width>24</width><height>20</height></size>"  # that of the turned ones
    text = f'<?xml version="1.0" encoding="UTF-8"?><annotation>{size}{objects}</annotation>'
    (root / "a.xml").write_text(text, encoding="utf-8")
    shutil.copy(root / "a.xml", root / "Annotations" / "a.xml")
    return root


def _trained(table: Path, folder: Path) -> Path:
    from benchmarks.reliability.runs import start

    out = folder / "model"
    child = start(
        [
            *("train", "--data", str(table), "--target", "y", "--method", "logistic", "--no-log"),
            *("--hidden", "3", "--epochs", "2", "--evaluations", "2", "--out", str(out)),
        ],
        folder / "said.txt",
    )
    assert child.wait() == 0, child.text()
    shutil.rmtree(out / "checkpoints")
    return out


def _exchange(model: Path, name: str, content: bytes) -> None:
    """Puts in a file as somebody would who knows the checksums."""
    import hashlib
    import json

    (model / name).write_bytes(content)
    if name == "model.json":
        return
    about = json.loads((model / "model.json").read_text())
    about["sha256"][name] = hashlib.sha256(content).hexdigest()
    (model / "model.json").write_text(json.dumps(about))


def _sealed(payload: bytes) -> bytes:
    """A checkpoint around any payload, with the checksum that belongs to it."""
    import hashlib
    import json

    line = json.dumps({"run": "r", "step": 3, "bytes": len(payload)}).encode()
    digest = hashlib.sha256(line + b"\n" + payload).hexdigest().encode()
    return b"\n".join((b"directloss checkpoint 2", digest, line, payload))
