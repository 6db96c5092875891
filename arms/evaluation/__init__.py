"""Judging routers: metrics with intervals, calibration, and the figures drawn from them. Knows arrays only."""
