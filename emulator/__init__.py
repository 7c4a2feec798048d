"""A Cortex XSOAR and an AWS small enough for a laptop: for the demo, the tests and the benchmark."""
