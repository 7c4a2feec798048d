"""What an operator added for every script: nothing."""
