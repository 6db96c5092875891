"""These tests import open_clip and transformers themselves, so the guard comes first."""

from arms.encoders.torchvision_guard import import_torchvision

import_torchvision()
