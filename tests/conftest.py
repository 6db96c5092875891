"""Set before anything heavy is imported."""

import os

# The nets here are so small that threads only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test needs a network, and none waits for one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.object_stores", "tests.pipeline"]
