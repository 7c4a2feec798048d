"""Growth: what a reply costs when few and when many questions are open."""

from functools import reduce
from operator import add

from benchmarks.burst import require_answered
from benchmarks.plan import Plan
from benchmarks.stage import NO_FEEDBACK, Drained, drain, open_questions, reply_to, stage


def growth(plan: Plan, count: int) -> dict[str, float]:
    """The costs of a reply while `count` questions are open at first, feedback off."""
    used = reduce(add, [_wave(count, replies) for replies in _waves(count, plan.growth_replies)])
    replies = plan.growth_replies
    return {
        f"growth.rate@{count}": replies / used.seconds,
        f"growth.cpu@{count}": 1000 * used.cpu / replies,
        f"growth.reads@{count}": used.reads / replies,
        f"growth.writes@{count}": used.writes / replies,
        f"growth.moved@{count}": used.moved / replies / 1024,
        f"growth.memory@{count}": used.memory / 1024**2,
    }


def _waves(count: int, replies: int) -> list[int]:
    """The replies in waves that so many open questions can answer, each wave with a poller and questions of its own."""
    return [min(count, replies - done) for done in range(0, replies, count)]


def _wave(count: int, replies: int) -> Drained:
    with stage(NO_FEEDBACK) as world:
        waiting = open_questions(world, count)
        # Phones from all over the list reply, as the list grows by the day and not by the phone.
        answered = waiting[:: count // replies][:replies]
        reply_to(world, answered)
        used = drain(world, world.instance)
        require_answered(answered)
    return used
