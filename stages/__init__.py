"""The pipeline's stages: each a thin script, ``python -m stages.<name>``, that dvc.yaml calls."""

import os

# By default an OpenMP thread that waits for another keeps its core busy. Where another process wants a core that makes
# training many times slower; sleeping instead costs a fifth at most. Read when torch loads its OpenMP.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
