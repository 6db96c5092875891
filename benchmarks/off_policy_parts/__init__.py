"""The parts of ``python -m benchmarks.off_policy``."""
