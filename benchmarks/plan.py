"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of one run. `naive_pause` is in seconds, `asking_open` and `growth_open` count open questions."""

    rounds: int
    idle_replies: int
    burst_replies: int
    naive_replies: int
    naive_pause: int
    growth_open: tuple[int, ...]
    growth_replies: int
    asking_open: tuple[int, ...]
    asks: int
    starts: int


FULL = Plan(
    rounds=3,
    idle_replies=50,
    burst_replies=1000,
    naive_replies=20,
    naive_pause=10,
    growth_open=(100, 1000, 10_000),
    growth_replies=500,
    asking_open=(0, 1000, 10_000),
    asks=10,
    starts=5,
)
QUICK = Plan(
    rounds=1,
    idle_replies=20,
    burst_replies=300,
    naive_replies=10,
    naive_pause=10,
    growth_open=(100, 1000, 3000),
    growth_replies=100,
    asking_open=(0, 1000, 3000),
    asks=3,
    starts=2,
)
