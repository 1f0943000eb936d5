"""Ctrl-C is raised where it is pressed, or at the next step."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from directloss.study.interrupts import interrupts_kept, interrupts_withheld


class Swallowing:
    """Is interrupted in its destructor."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Failing:
    def __del__(self) -> None:
        raise ZeroDivisionError


def test_what_a_destructor_swallows_is_raised_at_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And Python prints nothing of it, as it does of what else a destructor swallows."""
    printed: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: printed.append(lost.exc_type))
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interrupts_kept() as raise_kept:
        raise_kept()
        failing = Failing()
        del failing
        swallowing = Swallowing()
        del swallowing
        raise_kept()
    assert printed == [ZeroDivisionError] and sys.unraisablehook is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_else_it_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the interrupt was lost")


def test_a_handler_of_somebody_else_stays() -> None:
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with interrupts_kept() as raise_kept:
            signal.raise_signal(signal.SIGINT)
            raise_kept()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_withheld_it_comes_afterwards_and_is_none_of_a_child() -> None:
    code = "import signal; signal.raise_signal(signal.SIGINT); print('went on')"
    with pytest.raises(KeyboardInterrupt):
        with interrupts_withheld():
            signal.raise_signal(signal.SIGINT)
            child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        pytest.fail("the interrupt was lost")
    assert child.stdout == "went on\n"
