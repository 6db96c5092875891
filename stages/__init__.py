"""The pipeline's stages: each a thin script, ``python -m stages.<name>``, that dvc.yaml calls."""

import os

from arms.errors import say_early_interrupts

# By default a waiting OpenMP thread keeps its core busy. If another process needs the core, training becomes many times
# slower. Letting the thread sleep costs at most a fifth. Torch reads the variable when it loads OpenMP.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

say_early_interrupts("stages")
