"""Idle latency and bursts: how soon one reply is told, and how fast many are."""

import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence

from benchmarks.plan import Plan
from benchmarks.stage import NO_FEEDBACK, Drained, Waiting, drain, open_questions, program, reply_to, stage
from emulator.aws_protocol import Request
from emulator.world import World

POLL_TIMEOUT = 30.0  # seconds


def idle(plan: Plan) -> dict[str, float]:
    """Milliseconds from a reply that is published to its task that is told, one reply at a time, feedback on."""
    with stage() as world:
        waiting = open_questions(world, plan.idle_replies)
        polls = _Polls(world)
        world.start_poller()
        times = [_reply_latency(world, question, polls) for question in waiting]
    percentiles = statistics.quantiles(times, n=20, method="inclusive")
    return {"idle.p50": statistics.median(times), "idle.p95": percentiles[-1]}


class _Polls:
    """Knows whether the poller waits for a reply."""

    def __init__(self, world: World) -> None:
        self.waiting = threading.Event()
        world.cloud.hooks.append(self._on_request)

    def _on_request(self, request: Request, phase: str) -> None:
        if request.operation == "ReceiveMessage" and phase == "before":
            self.waiting.set()


def _reply_latency(world: World, question: Waiting, polls: _Polls) -> float:
    if not polls.waiting.wait(POLL_TIMEOUT):
        raise TimeoutError(f"The poller did not poll again within {POLL_TIMEOUT:g} seconds.")
    polls.waiting.clear()
    replied = time.monotonic()
    reply_to(world, [question])
    question.task.wait(POLL_TIMEOUT)
    return 1000 * ((question.task.completed_at or 0) - replied)


def floor(plan: Plan) -> dict[str, float]:
    """Messages a second of a bare loop that receives and deletes."""
    with stage() as world:
        reply_to(world, open_questions(world, plan.burst_replies))
        return {"burst.floor": plan.burst_replies / drain(world, program(world, "floor")).seconds}


def floor_with_texts(plan: Plan) -> dict[str, float]:
    """The same when it sends as many texts too, from ten threads."""
    with stage() as world:
        reply_to(world, open_questions(world, plan.burst_replies))
        used = drain(world, program(world, "floor", texts=True), plan.burst_replies)
        return {"burst.floor_texts": plan.burst_replies / used.seconds}


def burst_silent(plan: Plan) -> dict[str, float]:
    """The pack's poller, feedback off."""
    used = _burst(plan, NO_FEEDBACK, 0)
    per_reply = 1 / plan.burst_replies
    return {
        "burst.silent": plan.burst_replies / used.seconds,
        "burst.silent_cpu": 1000 * used.cpu * per_reply,
        "burst.writes": 100 * used.writes * per_reply,
    }


def burst_thanking(plan: Plan) -> dict[str, float]:
    """The pack's poller, feedback on: it lasts until the last text is taken."""
    used = _burst(plan, {}, plan.burst_replies)
    return {
        "burst.thanking": plan.burst_replies / used.seconds,
        "burst.thanking_cpu": 1000 * used.cpu / plan.burst_replies,
    }


def _burst(plan: Plan, params: Mapping[str, bool], texts: int) -> Drained:
    with stage(params) as world:
        waiting = open_questions(world, plan.burst_replies)
        reply_to(world, waiting)
        used = drain(world, world.instance, texts)
        require_answered(waiting)
    return used


def require_answered(waiting: Sequence[Waiting]) -> None:
    """AssertionError unless every task went on with its option."""
    wrong = [question.phone for question in waiting if question.task.branch != question.option]
    if wrong:
        raise AssertionError(f"{len(wrong)} of {len(waiting)} replies did not resume their task, of {wrong[0]} first.")


def naive(plan: Plan) -> dict[str, float]:
    """Replies a second of the naive poller, which thanks too. Its last sleep counts: the next reply would wait."""
    with stage({"pollInterval": str(plan.naive_pause)}) as world:
        waiting = open_questions(world, plan.naive_replies)
        reply_to(world, waiting)
        instance = program(world, "naive")
        instance.context.write({"questions": json.dumps(_by_phone(waiting))})
        used = drain(world, instance, plan.naive_replies)
        require_answered(waiting)
    return {"burst.naive": plan.naive_replies / (used.seconds + plan.naive_pause)}


def _by_phone(waiting: Sequence[Waiting]) -> dict[str, dict[str, list[str]]]:
    return {item.phone: {item.code: [item.incident, item.guid, item.task.number, item.option]} for item in waiting}
