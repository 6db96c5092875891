"""The parts of ``benchmarks.features``."""
