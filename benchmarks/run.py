"""Runs the measurements round by round, so that each round holds one of everything."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from benchmarks import asking, burst, growth
from benchmarks.figures import Samples
from benchmarks.plan import Plan


class Measurement(NamedTuple):
    """`make` gives the values of one round by key."""

    title: str
    make: Callable[[Plan], dict[str, float]]


def measurements(plan: Plan) -> list[Measurement]:
    """One round, in order: what is compared stands side by side, each burst between two floors."""
    floor = Measurement(f"floor of the queue, {plan.burst_replies:,} messages", burst.floor)
    return [
        Measurement(f"idle latency, {plan.idle_replies} replies", burst.idle),
        floor,
        Measurement(f"burst of {plan.burst_replies:,}, feedback off", burst.burst_silent),
        floor,
        Measurement(f"burst of {plan.burst_replies:,}, feedback on", burst.burst_thanking),
        floor,
        Measurement("floor with texts", burst.floor_with_texts),
        Measurement(f"naive poller, {plan.naive_replies} replies", burst.naive),
        *(_growth(count) for count in plan.growth_open),
        *(_asking(count) for count in plan.asking_open),
        Measurement(f"start of a command, {plan.starts} times", asking.starting),
    ]


def _growth(count: int) -> Measurement:
    return Measurement(f"growth, {count:,} open", partial(growth.growth, count=count))


def _asking(count: int) -> Measurement:
    return Measurement(f"asking, {count:,} open", partial(asking.asking, count=count))


def steps(plan: Plan) -> int:
    """How many times `run` says what comes."""
    return plan.rounds * len(measurements(plan))


def run(plan: Plan, says: Callable[[str], None] = lambda _: None) -> Samples:
    """All rounds; `says` hears what is measured next. A measurement that went wrong raises AssertionError or
    BenchmarkError."""
    samples: dict[str, list[float]] = defaultdict(list)
    for title, make in _rounds(plan):
        says(title)
        for key, value in make(plan).items():
            samples[key].append(value)
    return samples


def _rounds(plan: Plan) -> Iterator[Measurement]:
    for place in range(1, plan.rounds + 1):
        for title, make in measurements(plan):
            yield Measurement(f"round {place} of {plan.rounds}: {title}", make)
