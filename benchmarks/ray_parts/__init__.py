"""The parts of ``benchmarks.ray``."""
