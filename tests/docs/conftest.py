"""These tests import open_clip and transformers themselves, so the guard comes first."""

from arms.torchvision_guard import import_torchvision

import_torchvision()
