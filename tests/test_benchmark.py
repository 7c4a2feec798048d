"""The benchmark works and its figures are sane; how good they are is for `make bench` to say."""

from collections.abc import Mapping, Sequence

import pytest

from benchmarks.burst import require_answered
from benchmarks.figures import Figure, Target, between_floors, figures
from benchmarks.machine import facts
from benchmarks.plan import Plan
from benchmarks.report import markdown, sections, summary
from benchmarks.run import run, steps
from benchmarks.stage import NO_FEEDBACK, drain, open_questions, reply_to, stage

TINY = Plan(
    rounds=1,
    idle_replies=3,
    burst_replies=20,
    naive_replies=2,
    naive_pause=1,
    growth_open=(5, 40),
    growth_replies=10,
    asking_open=(0, 40),
    asks=2,
    starts=1,
)


def test_a_tiny_run_measures_everything_with_sane_figures() -> None:
    # Given the smallest plan, when it is run
    heard: list[str] = []
    samples = run(TINY, heard.append)
    # Then it says each step, and each figure is a positive number
    assert len(heard) == steps(TINY) == 13
    assert all(value > 0 for values in samples.values() for value in values)
    once = {key: values[0] for key, values in samples.items()}
    assert_sane_costs(once)
    # And the report shows every target with a verdict
    rows = figures(samples, TINY)
    verdicts = [line.verdict for section in sections(rows) for line in section.lines if line.target]
    assert len(verdicts) == 8
    assert set(verdicts) <= {"met", "missed"}
    text = markdown(rows, facts(), TINY)
    assert "feedback off against the floor" in text
    assert summary(rows) in text


def assert_sane_costs(once: Mapping[str, float]) -> None:
    """What holds on any machine, however slow or busy."""
    assert once["idle.p50"] <= once["idle.p95"]
    assert once["burst.naive"] < 2  # two replies and a sleep of a second
    assert once["burst.writes"] >= 1
    assert once["growth.moved@40"] > once["growth.moved@5"]
    assert once["asking.moved@40"] > once["asking.moved@0"]
    assert once["growth.memory@40"] > 10  # MB: no Python with boto3 is smaller
    assert once["start.pack"] > once["start.import"] / 2
    assert once["start.boto"] > once["start.import"]


def test_what_a_drain_counts_is_what_the_poller_did() -> None:
    # Given three open questions, two of which are answered
    with stage(NO_FEEDBACK) as world:
        waiting = open_questions(world, 3)
        reply_to(world, waiting[:2])
        before = world.instance.context.counters.writes
        # When a poller empties the queue
        used = drain(world, world.instance)
        # Then the writes are those of the context, and the third task still waits
        assert used.writes == world.instance.context.counters.writes - before > 0
        require_answered(waiting[:2])
        with pytest.raises(AssertionError, match=r"1 of 3 replies did not resume their task, of \+14255550002 first"):
            require_answered(waiting)


@pytest.mark.parametrize(
    ("values", "target", "met", "text"),
    [
        ((90.0, 120.0, 99.0), Target(100, unit="ms"), True, "≤ 100 ms"),
        ((90.0, 120.0, 101.0), Target(100, unit="ms"), False, "≤ 100 ms"),
        ((0.5, 0.6, 0.9), Target(0.6, at_most=False), True, "≥ 0.6"),
        ((0.5, 0.59, 0.9), Target(0.6, at_most=False), False, "≥ 0.6"),
    ],
    ids=["at most, met", "at most, missed", "at least, met", "at least, missed"],
)
def test_the_median_of_the_rounds_decides(values: Sequence[float], target: Target, met: bool, text: str) -> None:
    # Given a figure of three rounds with a target, when it is judged, then its median decides
    figure = Figure("Burst", "a figure", "", tuple(values), target)
    assert (figure.met, str(target)) == (met, text)


def test_the_summary_names_what_was_missed() -> None:
    # Given one target that is met and one that is not
    rows = [
        Figure("Idle latency", "p95", "ms", (50.0,), Target(100, unit="ms")),
        Figure("Burst", "feedback off", "x", (0.25,), Target(0.6, at_most=False)),
    ]
    # When they are summed up, then the sentence names the one missed
    assert summary(rows) == "1 of 2 targets are missed. Burst: feedback off is 0.25 x, target ≥ 0.6."
    assert summary(rows[:1]) == "All 1 targets are met."


def test_a_burst_is_set_against_the_floors_before_and_after_it() -> None:
    # Given two rounds with three floors each, the second round on a busier machine
    samples = {
        "burst.floor": (100.0, 100.0, 50.0, 20.0, 20.0, 20.0),
        "burst.silent": (60.0, 10.0),
        "burst.thanking": (20.0, 5.0),
    }
    # When the bursts are set against them, then feedback off has the first two of its round and on the last two
    assert between_floors(samples, 0) == (0.6, 0.5)
    assert between_floors(samples, 1) == pytest.approx((0.3, 0.25))
