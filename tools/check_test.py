"""The last line of `make test` counts what ran, and a step that failed is never counted as passed."""

import sys

import pytest

from tools.check import Result, Step, count, report, run
from tools.check import pytest as pytest_step

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


def test_passed_tests_show_what_they_measured_and_their_summary() -> None:
    """
    Given: tests that passed, and one of them printed what it measured
    When: they are reported
    Then: that line and the summary are shown, and no progress
    """
    measured = "From an idle reply to the resumed task: 13 ms (median of 5), 24 ms at most."
    expected = "=== short test summary info ===\nXFAIL tests/test_x.py::test_y - a reason\n"
    output = f"bringing up nodes...\n.... [100%]\n{measured}\n{expected}4 passed, 1 xfailed in 18.02s\n"
    step = pytest_step("e2e", "End-to-end tests", "python")
    assert report(step, Result(4, 0, output)) == f"   {measured}\n   4 passed, 1 xfailed in 18.02s\n"
