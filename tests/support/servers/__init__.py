"""The servers and workers that the tests run: real processes, no containers."""
