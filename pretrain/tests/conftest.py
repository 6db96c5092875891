"""Set before anything heavy is imported; some tests import open_clip and transformers, so the guard comes first."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the nets here are so small that threads only get in each other's way
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from arms.encoders.torchvision_guard import import_torchvision

import_torchvision()
