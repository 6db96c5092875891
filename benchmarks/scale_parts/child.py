"""One stage of the benchmark of large tables, in a process of its own: ``child STAGE FILE`` in the project's folder."""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.peak import peak_mib

# Each stage's module and function. Those of the benchmark first make what they need, and return the work to measure.
_OWN = {
    "validate": ("benchmarks.scale_parts.reading", "validating"),
    "pictures": ("benchmarks.scale_parts.reading", "reading_pictures"),
    "scenes": ("benchmarks.scale_parts.reading", "splitting"),
    "images": ("benchmarks.scale_parts.encoding", "encoding_images"),
    "texts": ("benchmarks.scale_parts.encoding", "encoding_texts"),
    "train": ("benchmarks.scale_parts.training", "training"),
    "score": ("benchmarks.scale_parts.scoring", "scoring"),
    "others": ("benchmarks.scale_parts.scoring", "scoring_others"),
}
_PIPELINE = {"check": "stages.check", "prepare": "stages.prepare", "judge": "stages.evaluate"}


def main() -> None:
    """Run the stage and write its time and memory as JSON.

    Time is that of the work. `idle_mib` is what the process held once the code was imported.
    """
    stage, file = sys.argv[1:]
    name, function = _OWN.get(stage, (_PIPELINE.get(stage, ""), "main"))
    module = import_module(name)
    idle_mib = peak_mib()
    work = getattr(module, function)() if stage in _OWN else module.main
    start, before = time.perf_counter(), os.times()
    work()
    wall_s, after = time.perf_counter() - start, os.times()
    core_s = after.user + after.system - before.user - before.system
    content = {"wall_s": wall_s, "core_s": core_s, "idle_mib": idle_mib, "peak_mib": peak_mib()}
    Path(file).write_text(json.dumps(content))


if __name__ == "__main__":
    main()
