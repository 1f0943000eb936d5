from __future__ import annotations

import os
import signal
import threading

import pytest

from directloss.training.signals import StopRequest, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_acts(number: signal.Signals) -> None:
    seen: list[int] = []
    before = signal.signal(number, lambda came, _: seen.append(came))
    try:
        with stop_on_signals() as stop:
            assert stop.signal is None
            os.kill(os.getpid(), number)
            assert (stop.signal, seen) == (number, [])
            os.kill(os.getpid(), number)
            assert seen == [number]
        os.kill(os.getpid(), number)
        assert seen == [number, number]
    finally:
        signal.signal(number, before)


def test_another_thread_than_the_main_one_goes_without() -> None:
    found: list[StopRequest] = []

    def work() -> None:
        with stop_on_signals() as stop:
            found.append(stop)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [StopRequest()]
