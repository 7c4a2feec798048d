"""`python -m emulator demo` plays the story; `python -m emulator warroom` lets you type into it.

What takes time to import is imported once Ctrl-C has its handler.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

FAILED, INTERRUPTED = 1, 130


def main() -> int:
    """Run the programme that the arguments name and return its exit code; no traceback and no process is left."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        return _run(_arguments())
    except KeyboardInterrupt:
        print("\nInterrupted: everything has stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`): what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - a person at a terminal gets a sentence, never a traceback
        print(f"\nStopped: {_sentence(error)}", file=sys.stderr)
        return FAILED


def _arguments() -> "Namespace":
    import argparse

    parser = argparse.ArgumentParser(prog="python -m emulator", description="A local Cortex XSOAR and AWS.")
    programmes = parser.add_subparsers(dest="programme", required=True, metavar="demo|warroom")
    programmes.add_parser("demo", help="play the story and end")
    warroom = programmes.add_parser("warroom", help="type war room commands and answer as a phone")
    warroom.add_argument(
        "--reply-code-mode",
        choices=("random", "sequential"),
        default="random",
        help="the instance's Reply Code Mode; sequential makes a typed script repeatable (default: random)",
    )
    return parser.parse_args()


def _run(arguments: "Namespace") -> int:
    if arguments.programme == "demo":
        from emulator import demo, story

        demo.play(story.terminal())
    else:
        from emulator import story, warroom

        warroom.run(story.terminal(), {"replyCodeMode": arguments.reply_code_mode})
    return 0


def _interrupt(_signal: int, _frame: "FrameType | None") -> NoReturn:
    # A second Ctrl-C would break off the tidying up that this one begins.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _terminate(number: int, _frame: "FrameType | None") -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    known = type(error).__module__.startswith("emulator") or isinstance(error, AssertionError)
    return text if known and text else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    sys.exit(main())
