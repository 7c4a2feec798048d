"""The filter around demisto-sdk never hides a finding nor the exit code. The outputs are the SDK's own."""

from tools.sdk import judge

NOISE = [
    "Could not get repository properties: Remote named 'origin' didn't exist, using provided configs, or default.",
    "Starting validate items.",
]
PASSED = ["All validations passed.", "Validate summary", "#" * 77]
RATED = ["-" * 60, "Your code has been rated at 10.00/10"]
VALIDATE = ["validate", "-i", "Packs/AWSSNSSMSCommunication"]


def test_noise_of_a_clean_run_is_dropped() -> None:
    """
    Given: validate passed, with the SDK's noise around it
    When: its output is judged
    Then: nothing is shown and the exit code is 0
    """
    assert judge(VALIDATE, 0, [*NOISE, *PASSED]) == (0, [])


def test_finding_is_shown_with_the_exit_code_of_the_sdk() -> None:
    """
    Given: validate found something
    When: its output is judged
    Then: the finding is shown without the noise, and the exit code is the SDK's
    """
    finding = "Packs/X/X.yml: [BA100] - The version for our files should always be -1, please update the file."
    summary = "The following errors were thrown as a part of this pr: BA100."
    assert judge(VALIDATE, 1, [*NOISE, finding, summary]) == (1, [finding])


def test_line_that_quotes_noise_is_shown() -> None:
    """
    Given: a finding that contains a line of noise
    When: its output is judged
    Then: it is shown
    """
    finding = "README.md: [RM107] - Starting validate items."
    assert judge(VALIDATE, 1, [finding]) == (1, [finding])


def test_failure_without_a_finding_is_shown_whole() -> None:
    """
    Given: an exit code of 1 and nothing but noise
    When: its output is judged
    Then: the noise is shown, as it is all there is
    """
    assert judge(VALIDATE, 1, NOISE) == (1, NOISE)


def test_exit_0_without_a_verdict_fails() -> None:
    """
    Given: an exit code of 0, but no line that says that the validations passed
    When: its output is judged
    Then: it fails, and everything is shown
    """
    reason = "error: demisto-sdk validate finished 0 of 1; its output is above"
    assert judge(VALIDATE, 0, NOISE) == (1, [*NOISE, reason])


def test_lint_warning_fails_although_the_sdk_exits_0() -> None:
    """
    Given: xsoar-lint exits 0 with a warning, which it prints twice
    When: its output is judged
    Then: it fails, and the warning is shown once
    """
    warning = "/repository/Packs/X/X.py:7:4: W9016 helper: Function arguments are missing type annotations."
    assert judge(["xsoar-lint", "tools"], 0, [*RATED, warning, warning]) == (1, [warning])


def test_folder_that_was_not_linted_fails() -> None:
    """
    Given: xsoar-lint was given two folders, exits 0 and rated one
    When: its output is judged
    Then: it fails and says so
    """
    code, lines = judge(["xsoar-lint", "tools", "emulator"], 0, RATED)
    assert (code, lines[-1]) == (1, "error: demisto-sdk xsoar-lint finished 1 of 2; its output is above")
