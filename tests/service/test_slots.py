"""Which part of a machine each loop has, and the words that tell it."""

import os

import pytest

from service.engine.slots import Slots
from service.loops.command_line import Share, command, environment


def shares(slots: Slots) -> list[Share]:
    """What loops have that run side by side, one in each slot."""
    held = [slots.taken() for _ in range(slots.count)]
    return [one.__enter__() for one in held]


def test_each_gpu_is_a_slot_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert shares(Slots(None)) == [Share("2", 1), Share("5", 1)]
    assert environment(Share("5", 1))["CUDA_VISIBLE_DEVICES"] == "5"


def test_one_slot_has_the_whole_machine_and_several_without_gpus_divide_its_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    assert shares(Slots(None)) == [Share(None, None)]
    assert shares(Slots(4)) == [Share(None, 3)] * 4
    assert shares(Slots(20)) == [Share(None, 1)] * 20


def test_a_slot_is_free_again_after_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    slots = Slots(None)
    for _ in range(3):
        with slots.taken() as share:
            assert share == Share(None, None)


@pytest.mark.parametrize(
    ("words", "share", "told"),
    [
        (("experiment=smoke",), Share(None, None), []),
        (("experiment=smoke",), Share(None, 3), ["workers=3"]),
        (("experiment=smoke", "workers=2"), Share(None, 3), ["workers=2"]),
        (("experiment=smoke", "++workers=2"), Share(None, 3), ["++workers=2"]),
    ],
)
def test_a_loop_is_told_its_workers_once(words: tuple[str, ...], share: Share, told: list[str]) -> None:
    said = command("smoke-1", words, share)
    assert [word for word in said if "workers=" in word] == told
    assert said[-1] == "run_dir=runs/smoke-1"
    assert said[said.index("loop") - 1] == str(os.getpid())
