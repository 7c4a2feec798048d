"""Runs the repository's checks one after the other and says for each, in a line or two, what came of it.

    python tools/check.py            everything, as `make test` does
    python tools/check.py lint unit  some of it

A step that fails shows its whole output and how to run it alone; the steps after it run all the same. The last line
counts tests and other checks together, as `N passed, N failed`; the exit code is 1 when any failed.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PACK = Path("Packs/AWSSNSSMSCommunication")
PYTHON = ".venv/bin/python"
OLDEST = ".venv-oldest/bin/python"
SDK = ".venv-sdk/bin/python"
# What of the end-to-end tests runs on the oldest boto3 too.
ON_OLDEST = ("tests/test_conversation.py", "tests/test_roles.py")
# A step of its own in `make test`, so that e2e leaves it out.
AWS_TESTS = "tests/aws"
# The slowest step takes a fifth of this on two idle cores. A test that hangs ends sooner: pytest has a limit for each.
MAX_SECONDS = 1200
# What tests measured, and their summary: all but progress and the reasons of expected failures.
TESTED = re.compile(r"(?m)^(?!bringing up nodes|XFAIL|SKIPPED|=+ |.*\[ *\d+%\]$).*\S.*$")


@dataclass(frozen=True)
class Step:
    """One command; `verdict` finds the lines that are shown when it passed: all of tests, the last of another check."""

    group: str
    title: str
    command: tuple[str, ...]
    verdict: re.Pattern[str] = re.compile(r".*\S.*")
    counts_tests: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a step: tests, or 1 for a check as a whole."""

    passed: int
    failed: int
    output: str


def pytest(group: str, title: str, python: str, *arguments: str) -> Step:
    """A step of tests, on two processes; one process is started by hand with `-n 0`."""
    command = (python, "-m", "pytest", "-q", "-n", "2", *arguments)
    return Step(group, title, command, TESTED, counts_tests=True)


def steps() -> tuple[Step, ...]:
    """All steps in the order in which they run: what takes seconds first."""
    sdk = (SDK, "tools/sdk.py")
    playbooks = [str(path) for path in sorted(PACK.rglob("playbook-*.yml"))]
    linted = [str(folder) for kind in ("Integrations", "Scripts") for folder in sorted((PACK / kind).glob("*/"))]
    return (
        Step("lint", "Lint: ruff check", (PYTHON, "-m", "ruff", "check", "--output-format", "concise")),
        Step("lint", "Format: ruff format", (PYTHON, "-m", "ruff", "format", "--check", "--output-format", "concise")),
        Step("lint", "Types: mypy", (PYTHON, "-m", "mypy")),
        Step("validate", "Pack: demisto-sdk validate", (*sdk, "validate", "-i", str(PACK))),
        Step("validate", "Pack: demisto-sdk xsoar-lint", (*sdk, "xsoar-lint", *linted)),
        Step("validate", "Docs: READMEs are current", (PYTHON, "-m", "tools.docs", "check")),
        Step("validate", "Playbooks: tags and branches", (PYTHON, "tools/playbooks.py", *playbooks)),
        pytest("unit", "Unit tests", PYTHON, "Packs", "aws", "emulator", "tools"),
        pytest("oldest", "The pack on boto3 1.35.50", OLDEST, str(PACK), *ON_OLDEST),
        pytest("aws-check", "AWS template", PYTHON, AWS_TESTS),
        pytest("e2e", "End-to-end tests", PYTHON, "tests", f"--ignore={AWS_TESTS}"),
    )


def finish(process: subprocess.Popen[str], seconds: float) -> str:
    """The output of a process group, which is ended after `seconds` or on Ctrl-C, whatever it has started."""
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return f"{process.communicate()[0]}\nerror: stopped after {seconds:.0f} seconds\n"
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
        raise


def count(step: Step, code: int, output: str) -> tuple[int, int]:
    """Passed and failed: pytest's own numbers, where a run that failed without a failed test counts as one."""
    if not step.counts_tests:
        return (0, 1) if code else (1, 0)
    summary = next((line for line in reversed(output.splitlines()) if re.search(r" in [\d.]+s", line)), "")
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", summary)}
    failed = numbers.get("failed", 0) + numbers.get("error", 0)
    return numbers.get("passed", 0), max(failed, 1 if code else 0)


def run(step: Step) -> Result:
    """Runs a step to its end, without standard input."""
    process = subprocess.Popen(
        step.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    output = finish(process, MAX_SECONDS)
    passed, failed = count(step, process.returncode, output)
    return Result(passed, failed, output)


def report(step: Step, result: Result) -> str:
    """The lines under a step's title."""
    if result.failed:
        return f"{result.output.rstrip()}\n   FAILED; alone: {' '.join(step.command)}\n"
    found = step.verdict.findall(result.output) or ["no findings"]
    shown = found if step.counts_tests else found[-1:]
    return "".join(f"   {line.strip('= ')}\n" for line in shown)


def check(chosen: Sequence[Step]) -> Result:
    """Runs the steps, printing as they end, and adds up their results."""
    total = Result(0, 0, "")
    for step in chosen:
        sys.stdout.write(f"== {step.title}\n")
        sys.stdout.flush()
        result = run(step)
        sys.stdout.write(report(step, result))
        sys.stdout.flush()
        total = replace(total, passed=total.passed + result.passed, failed=total.failed + result.failed)
    return total


def main(groups: Sequence[str]) -> int:
    """Runs the groups named, or all of them."""
    known = list(dict.fromkeys(step.group for step in steps()))
    if unknown := [group for group in groups if group not in known]:
        sys.stderr.write(f"error: no checks are called {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    try:
        total = check([step for step in steps() if step.group in (groups or known)])
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
    sys.stdout.write(f"{total.passed} passed, {total.failed} failed\n")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
