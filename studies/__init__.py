"""The studies behind the results: each a thin script, ``python -m studies.<name>``, that studies/dvc.yaml calls."""

import stages as stages  # sets how OpenMP's threads wait, before torch is loaded
