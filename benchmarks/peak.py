"""The peak memory of a process that a benchmark starts."""

from pathlib import Path


def peak_mib() -> float:
    """The most memory that this process has held, in MiB, on Linux.

    `ru_maxrss` would count what the process that started this one had held, if that was more.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
