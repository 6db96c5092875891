"""Judging routers: metrics with intervals, calibration, costs. Numbers only; `arms.reports` draws and writes them."""
