"""A short soak in every run of the tests; `make soak` is the long one."""

import secrets
from collections.abc import Callable

from tests.soak import Plan, soak


def test_replies_while_the_poller_is_killed_at_random_lose_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    # Given questions in both modes to six phones, wrong replies, copies and second thoughts, each text twice
    plan = Plan(seed=secrets.randbelow(10**6), questions=18, kills=8)
    print(f"seed {plan.seed}")
    # When the poller is killed at random instants while they come
    result = soak(plan)
    # Then every question was answered once, with the option that was meant, and thanked for at most once
    record_property("printed", f"Soak: {result}")
    assert (result.kills, result.questions, result.answered) == (8, 18, 18)
    assert (result.lost, result.wrong, result.double_thank_yous, result.rules_broken) == (0, 0, 0, 0)
    assert result.redeliveries > 0
