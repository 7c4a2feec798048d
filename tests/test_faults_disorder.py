"""Each reply reaches the queue twice, with an SQS id each, and in any order: it counts as on an orderly queue."""

import random
from typing import Any

import pytest

from emulator.cloud import Cloud
from emulator.world import World
from tests.faults import PHONE, Asked, ask_many, assert_answered_once, read, read_all, stage, told, wait_until_idle

OTHER = "+14255550183"
LIST_OF_CODES = (
    "We couldn't process your response. Please respond with one of the available reply codes: Yes (1), No (2)"
)
QUEUES: dict[str, dict[str, Any]] = {
    "notifications, seed 1": {"disorder": random.Random(1)},
    "notifications, seed 2": {"disorder": random.Random(2)},
    "delivered raw, seed 3": {"disorder": random.Random(3), "raw_delivery": True},
}


def converse(world: World, questions: list[Asked]) -> None:
    """Answer the two questions of a phone; at the other phone a wrong code and an unclear reply."""
    here, there = world.phone(PHONE), world.phone(OTHER)
    deploy, restore, _ = questions
    here.replies(deploy.codes["Yes"])
    here.replies(restore.codes["No"])
    there.replies("7")
    there.replies("maybe")


@pytest.mark.parametrize("queue", QUEUES.values(), ids=QUEUES.keys())
def test_each_reply_twice_in_any_order_counts_once(queue: dict[str, Any]) -> None:
    """
    Given two phones, sequential codes and an instance that two wrong codes lock.
    When their replies come, each twice and in random order, before and while a poller runs.
    Then each question is answered once with its option and thanked for once, and each other reply is explained once
        and counts once, so that the second phone can still answer.
    """
    with stage(cloud=Cloud(visibility_timeout=2, **queue), replyCodeMode="sequential", maxWrongReplies="2") as world:
        questions = ask_many(world, [PHONE, PHONE, OTHER])
        deploy, restore, scale = questions
        converse(world, questions)
        assert world.cloud.queue_depth() == 8
        world.start_poller()
        assert (deploy.task.wait(), restore.task.wait()) == ("Yes", "No")
        assert sorted(read(world, 2)) == sorted([deploy.thanks("Yes"), restore.thanks("No")])
        assert read(world, 2, OTHER) == [LIST_OF_CODES] * 2
        wait_until_idle(world)
        world.phone(OTHER).replies("2")
        assert scale.task.wait() == "No"
        assert read(world, 1, OTHER) == [scale.thanks("No")]
        assert_answered_once(world, [(deploy, "Yes"), (restore, "No"), (scale, "No")])
        assert (read_all(world), read_all(world, OTHER)) == ([], [])
        assert len(world.server.answers) == 3
        assert told(world, scale) == ({"No"}, 1)
