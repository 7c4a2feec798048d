"""What was measured as figures: median and spread over the rounds, a target where there is one, and the verdict."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import harmonic_mean, median

from benchmarks.plan import Plan

# By key, the values of the rounds in their order; keys with an @ end in how many questions were open.
Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Target:
    """`limit` is reached by a median at or above it, or below it or at it when `at_most`."""

    limit: float
    at_most: bool = True
    unit: str = ""

    def met_by(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}".strip()


@dataclass(frozen=True)
class Figure:
    """What was measured once a round, `values`; `open` is how many questions were open, where that is what varies."""

    section: str
    name: str
    unit: str
    values: tuple[float, ...]
    target: Target | None = None
    open: int | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """None when there is no target."""
        return self.target.met_by(self.median) if self.target else None

    @property
    def spread(self) -> str:
        """Lowest to highest round; empty when there was one."""
        return f"{number(min(self.values))} to {number(max(self.values))}" if len(self.values) > 1 else ""

    def __str__(self) -> str:
        return f"{number(self.median)} {self.unit}".strip()


def number(value: float) -> str:
    """Three digits that count, whole numbers from a hundred on."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


# The bursts of a round in their order; a floor is measured before each and after the last.
BURSTS = ("burst.silent", "burst.thanking")
IDLE, BURST, START = "Idle latency", "Burst", "Start of a command"
GROWTH, ASKING = "Growth, per reply", "Asking, per question"
PER_OPEN = (
    ("growth.rate", "replies", "/s"),
    ("growth.cpu", "CPU", "ms"),
    ("growth.reads", "context reads", ""),
    ("growth.writes", "context writes", ""),
    ("growth.moved", "context moved", "kB"),
    ("growth.memory", "peak memory", "MB"),
)
PER_ASK = (
    ("asking.ms", "time", "ms"),
    ("asking.reads", "context reads", ""),
    ("asking.writes", "context writes", ""),
    ("asking.moved", "context moved", "kB"),
)


def figures(samples: Samples, plan: Plan) -> list[Figure]:
    """All figures, in the order to show them."""
    return [
        *_idle(samples),
        *_burst(samples, plan),
        *_growth(samples, plan),
        *_asking(samples, plan),
        *_start(samples),
    ]


def ratio(samples: Samples, above: str, below: str) -> tuple[float, ...]:
    """Round by round, so that what slowed the machine slowed both."""
    return tuple(map(operator.truediv, samples[above], samples[below]))


def _row(samples: Samples, section: str, key: str, name: str, unit: str = "", target: Target | None = None) -> Figure:
    return Figure(section, name, unit, tuple(samples[key]), target)


def _idle(samples: Samples) -> list[Figure]:
    return [
        _row(samples, IDLE, "idle.p50", "reply to task told, p50", "ms"),
        _row(samples, IDLE, "idle.p95", "reply to task told, p95", "ms", Target(100, unit="ms")),
    ]


def _burst(samples: Samples, plan: Plan) -> list[Figure]:
    naive = f"naive poller, {plan.naive_replies} replies"
    return [
        _row(samples, BURST, "burst.floor", "floor: receive and delete", "/s"),
        _row(samples, BURST, "burst.floor_texts", "floor with texts", "/s"),
        _row(samples, BURST, "burst.silent", "feedback off", "/s"),
        _row(samples, BURST, "burst.thanking", "feedback on", "/s"),
        _row(samples, BURST, "burst.naive", naive, "/s"),
        Figure(BURST, "feedback off against the floor", "x", between_floors(samples, 0), Target(0.6, at_most=False)),
        Figure(BURST, "feedback on against the floor", "x", between_floors(samples, 1), Target(0.3, at_most=False)),
        Figure(
            BURST, "feedback on against floor with texts", "x", ratio(samples, "burst.thanking", "burst.floor_texts")
        ),
        Figure(BURST, "feedback on against the naive poller", "x", ratio(samples, "burst.thanking", "burst.naive")),
        _row(samples, BURST, "burst.writes", "context writes per 100 replies", "", Target(4)),
        _row(samples, BURST, "burst.silent_cpu", "CPU a reply, feedback off", "ms"),
        _row(samples, BURST, "burst.thanking_cpu", "CPU a reply, feedback on", "ms"),
    ]


def between_floors(samples: Samples, place: int) -> tuple[float, ...]:
    """Each burst of feedback off (0) or on (1) against the floors before and after it, as a machine gets busy."""
    bursts, floors = samples[BURSTS[place]], samples["burst.floor"]
    starts = range(place, len(floors), len(BURSTS) + 1)
    return tuple(rate / harmonic_mean(floors[at : at + 2]) for rate, at in zip(bursts, starts, strict=True))


def _growth(samples: Samples, plan: Plan) -> list[Figure]:
    least, most = plan.growth_open[0], plan.growth_open[-1]
    rows = [
        Figure(GROWTH, name, unit, tuple(samples[f"{key}@{count}"]), LIMITS.get(key) if count == most else None, count)
        for key, name, unit in PER_OPEN
        for count in plan.growth_open
    ]
    cpu = ratio(samples, f"growth.cpu@{most}", f"growth.cpu@{least}")
    return [*rows, Figure(GROWTH, f"CPU against {least:,} open", "x", cpu, Target(3), most)]


# What holds with the most questions open.
LIMITS = {"growth.memory": Target(200, unit="MB")}


def _asking(samples: Samples, plan: Plan) -> list[Figure]:
    least, most = plan.asking_open[0], plan.asking_open[-1]
    rows = [
        Figure(ASKING, name, unit, tuple(samples[f"{key}@{count}"]), open=count)
        for key, name, unit in PER_ASK
        for count in plan.asking_open
    ]
    slower = ratio(samples, f"asking.ms@{most}", f"asking.ms@{least}")
    return [*rows, Figure(ASKING, f"time against {least:,} open", "x", slower, Target(3), most)]


def _start(samples: Samples) -> list[Figure]:
    return [
        _row(samples, START, "start.pack", "to the first AWS call", "ms"),
        _row(samples, START, "start.boto", "boto3 and one client alone", "ms"),
        _row(samples, START, "start.import", "import boto3", "ms"),
        Figure(START, "against boto3 and one client", "x", ratio(samples, "start.pack", "start.boto"), Target(1.3)),
    ]
