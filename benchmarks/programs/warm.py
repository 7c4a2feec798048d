"""Runs one command many times in one process, with other arguments each time, and tells how long each took.

Params: `program` is the pack's code, marshalled and in base64; `command` its name; `calls` a list of arguments. The
last entry returned is the milliseconds of each call, in their order.
"""

import demistomock as demisto
from CommonServerPython import *  # noqa: F403 - the pack's code gets the names that the server provides

import base64
import marshal
import time
from typing import Any


def loaded(program: str) -> Any:
    """The `main` of the pack's code, which was loaded in this process but not started."""
    namespace = {**globals(), "__name__": "warm"}
    exec(marshal.loads(base64.b64decode(program)), namespace)  # noqa: S102, S302 - the pack's own code
    return namespace["main"]


def timed(run: Any, command: str, args: dict[str, str]) -> float:
    server: Any = demisto
    server.command, server.args = (lambda: command), (lambda: args)
    begun = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begun)


def warm(params: dict[str, Any]) -> None:
    main = loaded(params["program"])
    demisto.results({"milliseconds": [timed(main, params["command"], args) for args in params["calls"]]})


warm(demisto.params())
