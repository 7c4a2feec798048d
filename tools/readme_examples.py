"""Runs the pack's command examples in the emulator and writes what they returned, as JSON for tools/readmes.py.

    .venv/bin/python tools/readme_examples.py | .venv-sdk/bin/python tools/readmes.py

Reply codes are sequential there, so that the answer in an example can name one.
"""

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emulator.incidents import Entry, Incident
from emulator.world import PACK, World

EXAMPLES = PACK / "Integrations" / "AWSSNSSMSCommunication" / "command_examples.txt"


def run(world: World, line: str, incident: Incident) -> dict[str, Any]:
    """What one line returned: its readable text and its context; RuntimeError when it is not one good entry."""
    entries = world.war_room(line, incident)
    if len(entries) != 1 or entries[0]["Type"] != 1:
        raise RuntimeError(f"The example {line!r} returned {entries}, not one entry. Change the example.")
    return {"readable": entries[0]["HumanReadable"], "context": nested(entries[0])}


def nested(entry: Entry) -> dict[str, Any]:
    """The entry's context as the incident shows it: a.b(key) becomes a dict in a dict."""
    context: dict[str, Any] = {}
    for path, value in entry["EntryContext"].items():
        *parents, last = path.split("(")[0].split(".")
        place = context
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = deepcopy(value)  # the incident goes on with the entry's own
    return context


def main() -> None:
    with World({"replyCodeMode": "sequential"}) as world:
        world.allow_unread_texts()
        incident = world.incident("Suspicious process on mail-7")
        incident.add_task("Isolate the host?", tag="isolation_approval")
        results = {line: run(world, line, incident) for line in EXAMPLES.read_text("utf-8").splitlines()}
    json.dump(results, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
