from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

import directloss as dl
from directloss.training.baselines import Logistic
from directloss.training.batches import AllSamples, Batch, Batches, MemoryBatches, OneBatch
from directloss.training.checkpoints import CheckpointError, Checkpoints
from directloss.training.config import FitConfig
from directloss.training.data import Part
from directloss.training.history import Entry
from directloss.training.run import InterruptedRunError, Run
from directloss.training.signals import StopRequest
from directloss.training.steps import DivergedError
from directloss.training.warm_start import WarmStart
from tests.training import processes

ROWS = 60


def samples(groups: bool = False) -> Part:
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(ROWS) % 4 == 0
    features = torch.randn(ROWS, 3, generator=generator) + targets[:, None]
    return Part(features, targets, torch.arange(ROWS) % 7 if groups else None)


def batches(kind: str, process: int = 0, processes: int = 1) -> Batches:
    part = samples(groups=kind == "groups")
    if kind.endswith("all"):
        return OneBatch(AllSamples(lambda: part.split(25)))
    share = {"process": process, "processes": processes}
    return MemoryBatches(part, np.arange(ROWS) + 1000, batch_size=16, seed=3, **share)


def network() -> nn.Module:
    torch.manual_seed(5)
    layers = [nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1), nn.Flatten(0)]
    return nn.Sequential(*layers)


def evaluate(model: nn.Module) -> Entry:
    part = samples()
    scores = model(part.features)
    gap = scores[part.targets].mean() - scores[~part.targets].mean()
    return Entry(float(gap), float(scores.std()), threshold=float(scores.mean()))


def in_phases(*, noise: bool = True) -> WarmStart:
    perturbation = dl.Perturbation(seed=4) if noise else None
    direct = dl.DirectLoss(dl.FBeta(), direction="both", perturbation=perturbation)
    return WarmStart(Logistic(), direct)


def make(
    folder: Path, kind: str = "balanced", *, every: float = 0.0, **options: Any
) -> tuple[nn.Module, Run]:
    settings: dict[str, Any] = {"learning_rate": 0.1, "epochs": 3, "evaluations": 4, "patience": 3}
    if kind in ("all", "phases of all"):
        settings["epochs"] = 8
    if kind.startswith("phases"):
        settings |= {"schedule": "linear", "keep": "best", "optimiser": "adam"}
        options.setdefault("loss_fn", in_phases())
    model = network()
    torch.manual_seed(11)
    run = Run(
        model,
        options.pop("loss_fn", Logistic()),
        options.pop("batches", None) or batches(kind),
        evaluate,
        FitConfig(**(settings | options.pop("settings", {}))),
        Checkpoints(folder, "run", keep=2),
        higher_is_better=True,
        every=every,
        **options,
    )
    return model, run


def trained(folder: Path, kind: str) -> tuple[dict[str, Tensor], Run, int]:
    model, run = make(folder, kind)
    kept = run.train(StopRequest())
    return model.state_dict(), run, kept


@pytest.mark.parametrize("kind", ["balanced", "groups", "all", "phases", "phases of all"])
@pytest.mark.parametrize("every", [0.0, 1e9])
def test_an_interrupted_run_gives_the_numbers_of_an_undisturbed_one(
    kind: str, every: float, tmp_path: Path
) -> None:
    wanted, undisturbed, kept = trained(tmp_path / "undisturbed", kind)
    asked = 0
    for _ in range(100):
        stop = StopRequest()

        def stop_now(step: int, _: float, stop: StopRequest = stop) -> None:
            if step % 3 == 2:
                stop.signal = signal.SIGTERM

        torch.manual_seed(99)  # whatever the process did before
        model, run = make(tmp_path / "stopped", kind, every=every, on_step=stop_now)
        run.resume()
        try:
            found = run.train(stop)
        except InterruptedRunError as interruption:
            assert f"after step {run.step} of {run.steps}, which is saved" in str(interruption)
            asked += 1
            continue
        break
    assert asked >= 2
    assert found == kept
    assert run.history == undisturbed.history
    for name, tensor in wanted.items():
        assert torch.equal(model.state_dict()[name], tensor), name
    first, same = undisturbed.first_phase, run.first_phase
    assert (first is None) == (same is None) == (not kind.startswith("phases"))
    if first is not None and same is not None:
        assert first.entry == same.entry
        assert all(torch.equal(same.weights[name], first.weights[name]) for name in first.weights)


def test_patience_does_not_end_the_first_phase(tmp_path: Path) -> None:
    """Nothing gets better: it stops, but only so many evaluations behind the switch."""
    settings = {"learning_rate": 1e-9, "patience": 2, "evaluations": 15, "epochs": 5}
    _, run = make(tmp_path, "phases", settings=settings)
    run.train(StopRequest())
    assert run.switch is not None
    behind = [step for step in run.history.iteration if step > run.switch]
    assert 2 <= len(behind) < 6


def test_the_scale_of_half_precision_is_taken_up(tmp_path: Path) -> None:
    def scaled(folder: str, **options: Any) -> tuple[Run, torch.amp.GradScaler]:
        accelerator = Accelerator()
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=5)
        _, run = make(tmp_path / folder, accelerator=accelerator, **options)
        return run, accelerator.scaler

    undisturbed, wanted = scaled("undisturbed")
    undisturbed.train()
    stop = StopRequest()

    def stop_now(step: int, _: float) -> None:
        if step == 7:
            stop.signal = signal.SIGTERM

    stopped, _ = scaled("stopped", on_step=stop_now)
    with pytest.raises(InterruptedRunError):
        stopped.train(stop)
    resumed, scale = scaled("stopped")
    resumed.resume()
    assert scale.get_scale() == 8.0
    resumed.train()
    assert scale.state_dict() == wanted.state_dict()
    assert scale.get_scale() > 8.0


def test_a_run_that_was_lost_repeats_the_steps_since_its_checkpoint(tmp_path: Path) -> None:
    wanted, undisturbed, _ = trained(tmp_path / "undisturbed", "balanced")

    class KilledError(Exception):
        pass

    def kill(step: int, _: float) -> None:
        if step == 7:
            raise KilledError

    _, run = make(tmp_path / "killed", every=1e9, on_step=kill)
    with pytest.raises(KilledError):
        run.train(StopRequest())
    steps: list[int] = []
    model, run = make(tmp_path / "killed", every=1e9, on_step=lambda step, _: steps.append(step))
    run.resume()
    run.train(StopRequest())
    assert steps[0] == 1, "only the checkpoint before the first step had been written"
    assert run.history == undisturbed.history
    assert all(torch.equal(model.state_dict()[name], wanted[name]) for name in wanted)


def _stopped_in_two(rank: int, folder: Path) -> list[dict[str, Tensor]]:
    """Weights of an undisturbed run, and of one that was stopped after every other step."""
    weights = []
    for name, every in (("undisturbed", 99), ("stopped", 2)):
        for attempt in range(20):
            stop = StopRequest()

            def stop_now(step: int, _: float, stop: StopRequest = stop, every: int = every) -> None:
                if step % every == every - 1:
                    stop.signal = signal.SIGTERM

            run_on = Accelerator(cpu=True)
            model, run = make(folder / name, on_step=stop_now, accelerator=run_on)
            torch.manual_seed(20 * attempt + rank)  # each process drops out units of its own
            run.resume()
            try:
                run.train(stop)
            except InterruptedRunError:
                continue
            break
        assert attempt > 3 or name == "undisturbed"
        weights.append(model.state_dict())
    return weights


def test_two_processes_go_on_with_the_random_numbers_of_each(tmp_path: Path) -> None:
    for undisturbed, stopped in processes.run(_stopped_in_two, 2, tmp_path):
        assert all(torch.equal(stopped[name], undisturbed[name]) for name in undisturbed)


def _without_dropout(rank: int, size: int, folder: Path) -> dict[str, dict[str, Tensor]]:
    """Weights that a run on `size` processes ends with."""
    weights = {}
    losses = {
        "balanced": dl.DirectLoss(dl.AveragePrecision()),
        "groups": dl.DirectLoss(dl.AveragePrecision()),
        # Noise falls on the rows of a batch in their order, which the processes change.
        "phases": in_phases(noise=False),
    }
    for kind, loss_fn in losses.items():
        model, run = make(
            folder / f"{kind}-{size}",
            batches=batches(kind, rank, size),
            loss_fn=loss_fn,
            accelerator=Accelerator(cpu=True),
        )
        model[2].p = 0.0
        run.train(StopRequest())
        weights[kind] = model.state_dict()
    return weights


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    alone = _without_dropout(0, 1, tmp_path)
    for found in processes.run(_without_dropout, 2, 2, tmp_path):
        for kind, weights in alone.items():
            for name, tensor in weights.items():
                torch.testing.assert_close(found[kind][name], tensor, msg=f"{kind}, {name}")


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    wanted, _, kept = trained(tmp_path, "balanced")

    def fail(*_: object) -> None:
        raise AssertionError("a step was taken")

    model, run = make(tmp_path, on_step=fail)
    run.resume()
    assert run.train(StopRequest()) == kept
    assert all(torch.equal(model.state_dict()[name], wanted[name]) for name in wanted)


class _NaNAt(nn.Module):
    def __init__(self, call: int) -> None:
        super().__init__()
        self.calls, self.call = 0, call

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        value = Logistic()(scores, targets)
        return value * float("nan") if self.calls == self.call else value


def test_a_nan_loss_names_its_batch_and_saves_nothing_of_it(tmp_path: Path) -> None:
    model, run = make(tmp_path, loss_fn=_NaNAt(6))
    with pytest.raises(DivergedError) as caught:
        run.train(StopRequest())
    message = str(caught.value)
    assert message.startswith("training stopped: loss became nan in step 6 (epoch 2, batch 2: rows")
    assert message.endswith("Try a smaller learning rate; the checkpoint of step 5 is kept")
    rows = [int(row) for row in message.split("rows ")[1].split(" and 6 more")[0].split(", ")]
    (batch,) = list(batches("balanced").epoch(1, start=1))[:1]
    assert isinstance(batch, Batch)
    assert rows == batch.rows[:10].tolist()
    found = Checkpoints(tmp_path, "run").latest()
    assert found is not None
    assert found.step == 5
    assert all(bool(tensor.isfinite().all()) for tensor in model.parameters())


def test_features_that_are_not_finite_are_told_from_a_loss_that_diverged(tmp_path: Path) -> None:
    part = samples()
    part.features[17] = float("inf")
    bad = MemoryBatches(part, np.arange(ROWS), batch_size=16)
    _, run = make(tmp_path, batches=bad)
    with pytest.raises(DivergedError, match="holds features that are not finite") as caught:
        run.train(StopRequest())
    assert "1 of 16 scores became" in str(caught.value)


def _diverges_in_one_of_two(rank: int, folder: Path) -> str:
    part = samples()
    part.features[17] = float("inf")
    bad = MemoryBatches(part, np.arange(ROWS), batch_size=16, process=rank, processes=2)
    _, run = make(folder, batches=bad, accelerator=Accelerator(cpu=True))
    with pytest.raises(DivergedError) as caught:
        run.train(StopRequest())
    return str(caught.value)


def test_all_processes_hear_that_one_diverged(tmp_path: Path) -> None:
    first, second = processes.run(_diverges_in_one_of_two, 2, tmp_path)
    assert first == second
    assert "1 of 8 scores became" in first
    assert "holds features that are not finite" in first


@pytest.mark.parametrize("kind", ["balanced", "all"])
def test_scores_that_diverge_stop_the_run(kind: str, tmp_path: Path) -> None:
    settings = {"learning_rate": 1e30}
    _, run = make(tmp_path, kind, settings=settings)
    with pytest.raises(DivergedError, match=r"training stopped: .* in step \d+ \(epoch"):
        run.train(StopRequest())
    found = Checkpoints(tmp_path, "run").latest()
    assert found is not None
    assert all(bool(tensor.isfinite().all()) for tensor in found.state["model"].values())


def test_the_folder_is_tried_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    def fail(*_: object) -> None:
        raise AssertionError("a step was taken")

    _, run = make(tmp_path, on_step=fail)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(CheckpointError, match=r"cannot save to .*: Read-only file system"):
        run.train(StopRequest())


@pytest.mark.parametrize("kind", ["balanced", "groups"])
def test_processes_share_every_batch(kind: str) -> None:
    whole = [batch.rows for batch in batches(kind).epoch(1)]
    shares = [list(batches(kind, process, 3).epoch(1)) for process in range(3)]
    for rows, *parts in zip(whole, *shares, strict=True):
        assert sorted(np.concatenate([part.rows for part in parts])) == sorted(rows)
        assert max(len(part.rows) for part in parts) <= -(-len(rows) // 3)


@pytest.mark.parametrize("kind", ["balanced", "groups"])
def test_batches_can_be_taken_up_in_the_middle(kind: str) -> None:
    source = batches(kind)
    whole = list(source.epoch(2))
    assert len(whole) == len(source)
    for start in range(len(source)):
        rest = list(source.epoch(2, start=start))
        assert [batch.rows.tolist() for batch in rest] == [b.rows.tolist() for b in whole[start:]]
    other = [batch.rows.tolist() for batch in source.epoch(3)]
    assert other != [batch.rows.tolist() for batch in whole]


def test_batches_of_lists_hold_whole_lists_and_every_row_once() -> None:
    found = list(batches("groups").epoch(0))
    assert sorted(np.concatenate([batch.rows for batch in found])) == list(range(1000, 1000 + ROWS))
    lists = [set(batch.part.groups.tolist()) for batch in found]
    assert sum(map(len, lists)) == len(set().union(*lists)) == 7
