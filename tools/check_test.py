"""The last line of `make test` counts what ran, and a step that failed is never counted as passed."""

import sys

import pytest

from tools.check import Step, count, report, run

TESTS = Step("unit", "Unit tests", ("pytest",), counts_tests=True)
LINT = Step("lint", "Lint", ("ruff",))


@pytest.mark.parametrize(
    ("step", "code", "output", "counted"),
    [
        pytest.param(TESTS, 0, "....\n4 passed in 0.10s\n", (4, 0), id="all passed"),
        pytest.param(TESTS, 1, "F.E\n1 failed, 4 passed, 2 skipped, 1 error in 0.10s\n", (4, 2), id="failed and error"),
        pytest.param(TESTS, 2, "4 passed, 2 errors in 0.10s\n", (4, 2), id="errors"),
        pytest.param(TESTS, 5, "no tests ran in 0.01s\n", (0, 1), id="no tests"),
        pytest.param(TESTS, 3, "INTERNALERROR> ValueError\n", (0, 1), id="crash"),
        pytest.param(TESTS, -9, "4 passed in 0.10s\n", (4, 1), id="killed after its summary"),
        pytest.param(LINT, 0, "All checks passed!\n", (1, 0), id="check passed"),
        pytest.param(LINT, 1, "Found 1 error.\n", (0, 1), id="check failed"),
    ],
)
def test_counts(step: Step, code: int, output: str, counted: tuple[int, int]) -> None:
    """
    Given: the exit code and the output of a step
    When: it is counted
    Then: tests count one by one, another check as one, and any other exit code than 0 as a failure
    """
    assert count(step, code, output) == counted


def test_failed_step_shows_its_output_and_how_to_run_it() -> None:
    """
    Given: a command that prints a reason and exits 3
    When: it is run and reported
    Then: the reason and the command are shown
    """
    step = Step("lint", "Lint", (sys.executable, "-c", "print('the reason'); raise SystemExit(3)"))
    shown = report(step, run(step))
    assert shown.startswith("the reason\n   FAILED; alone: ")
