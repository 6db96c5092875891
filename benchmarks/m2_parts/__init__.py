"""The parts of ``benchmarks.m2``."""
