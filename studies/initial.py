"""Train Phi on a share of the images, then extend it incrementally (Fig. 7a of arXiv:2606.08970).

What it is extended on is in the settings: the old outcomes on all images, or with `extend.incremental.rehearsal:
same-queries`, as published, only those on queries that have outcomes of the new VLMs.
"""

from arms.data.splits import TEST_SPLITS
from arms.routers.arms import ArmsRouter
from stages.phi import training_data, untrained_phi
from stages.workspace import stage
from studies.settings import with_seed
from studies.setup import Json, Setup, five_metrics, open_setup, write_part

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


def main() -> None:
    """Write studies/results/<data>/extension/initial.json."""
    setup = open_setup()
    write_part(setup, "initial", study_initial(setup))


def study_initial(setup: Setup) -> list[Json]:
    """Five metrics on the extended pool, by the share of the images that Phi was trained on, and by seed."""
    records = []
    for seed in setup.seeds:
        for share in SHARES:
            scores = setup.scored("incremental", setup.extended("incremental", _phi_on(setup, share, seed)))
            for split in TEST_SPLITS:
                metrics = five_metrics(setup, split, scores)
                records.append({"share": share, "split": split, "seed": seed, **metrics})
    return records


def _phi_on(setup: Setup, share: float, seed: int) -> ArmsRouter:
    seeded = with_seed(setup.workspace, seed, data_share=share)
    phi = untrained_phi(seeded, setup.dataset, setup.fresh_encoders)
    return phi.fit(*training_data(seeded, setup.dataset))


if __name__ == "__main__":
    with stage("initial"):
        main()
