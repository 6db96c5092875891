from pathlib import Path

import pytest
from pydantic import ConfigDict, create_model
from ruamel.yaml import YAML

from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS
from arms.params.data import read_data_params
from arms.params.encoders import read_encoders_params
from arms.params.section import check
from arms.params.training import TrainParams
from arms.params.tree import override, read_params

ROOT = Path(__file__).parents[2]
DATASETS = sorted(file.stem for file in (ROOT / "conf/data").glob("*.yaml"))
ENCODERS = sorted(file.stem for file in (ROOT / "conf/encoders").glob("*.yaml"))

PARAMS = """
data: sample
encoders: scratch
preset: none
epochs: 2
seed: 1
router:
  {profile: full, inputs: both, fusion: pooled, num_experts: 4, top_k: 4, num_heads: 4, attention_width: 128,
   ffn_width: 256, dropout: 0.1, project_profiles: false, logit_scale: 1.0, learn_logit_scale: false, logit_min: -5.0,
   logit_max: 5.0}
train:
  {batch_size: 64, group_by_image: true, learning_rate: 8e-5, weight_decay: 0.01, schedule: cosine, warmup_share: 0.1,
   clip_norm: null, shuffle_window_mb: 64, tail_learning_rate: 8e-5, class_weights: none, importance_weight: 0.0,
   gpu_precision: auto, augment: false, keep: last, patience: null, calibrate: false, trains: all, data_share: 1.0,
   queries: all, batch_unit: queries}
extend:
  {strategy: independent, theta: 0.5,
   incremental: {trains: all, epochs: 4, min_steps: 100, learning_rate: 0.0005, rehearsal: all,
                 rehearsal_share: 1.0},
   independent: {start: phi, epochs: 4, min_steps: 100, learning_rate: 0.001}}
safe: {use: true, num_folds: 3, most_kinds: 6, tolerance: 0.01, index: flat}
baselines: {random: {}, knn: {num_neighbours: [8, 16], weights: distance}}
costs: {characters_per_token: 4.0, image_tokens: 768, answer_tokens: 32, own_compute_usd_per_b: 0.02}
evaluate: {bootstrap_samples: 2000, seed: 1}
runtime:
  {device: auto, extract_batch_size: 64, compile: false, workers: 2, shard_mb: 128, cache_budget_gb: 4.0,
   processes: 1, features_url: null,
   engine: local, ray_address: null, ray_actors: auto}
"""
DATA = """
description: Made up.
pools: {base: [a, b], new: []}
ood: {benchmarks: [], tasks: [reading]}
splits: {by: scene, similarity: 0.98, thumbnail_side: 32, val_share: 0.1, id_share: 0.2, seed: 1}
strict: false
sample:
  seed: 1
  images_per_benchmark: 10
  questions_per_image: 2
  missing_share: 0.03
  forms: {seed: 1, several_images: 0.06, no_image: 0.06, no_question: 0.06}
"""
ENCODER_PAIR = """
image: {model: ViT-B-32, architecture: null, pretrained: openai, resize: shortest, tunable_layers: 2,
        precision: auto, store_tokens: false}
text: {model: null, architecture: {dim: 8}, vocabulary_size: 100, pooling: cls, max_tokens: 32, tunable_layers: all,
       precision: float32}
"""
NOTHING = "{epochs: null, router: {}, train: {}, extend: {}, safe: {}}"
PRESET = """
epochs: 7
router: {fusion: outer}
train: {clip_norm: 1.0, patience: null}
extend: {independent: {start: nothing}}
safe: {use: false}
"""


@pytest.fixture
def root(tmp_path):
    """A folder with a valid settings tree."""
    for folder, name, content in (
        (".", "params", PARAMS),
        ("conf/data", "mine", DATA),
        ("conf/data", "yours", DATA),
        ("conf/encoders", "pair", ENCODER_PAIR),
        ("conf/presets", "none", NOTHING),
        ("conf/presets", "mine", PRESET),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{name}.yaml").write_text(content)
    return tmp_path


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def error_of(root, read, *names):
    """The message of the error, without the folder."""
    with pytest.raises(ArmsError) as caught:
        read(*names, root)
    return str(caught.value).replace(f"{root.as_posix()}/", "")


def test_committed_settings_load():
    params = read_params(ROOT)
    assert params.data in DATASETS
    assert params.encoders in ENCODERS


def test_standard_costs_are_the_committed_ones():
    assert read_params(ROOT).costs == STANDARD_COSTS


@pytest.mark.parametrize("name", DATASETS)
def test_committed_datasets_load(name):
    assert read_data_params(name, ROOT).pools.base


@pytest.mark.parametrize("name", ENCODERS)
def test_committed_encoders_load(name):
    assert read_encoders_params(name, ROOT).text.max_tokens > 0


def test_values(root):
    params = read_params(root)
    assert params.train.learning_rate == 8e-5  # a string in YAML 1.1
    assert params.train.clip_norm is None
    assert read_data_params("mine", root).sample.questions_per_image == 2
    assert read_encoders_params("pair", root).text.tunable_layers == "all"
    assert read_encoders_params("pair", root).image.tunable_layers == 2


def test_what_a_fit_receives(root):
    params = read_params(root)
    assert params.fit.model_dump() == {**params.train.model_dump(), "epochs": 2, "seed": 1}
    assert isinstance(params.fit, TrainParams)


def test_check_serves_any_model():
    near = create_model(
        "Near", __config__=ConfigDict(extra="forbid", strict=True), k=(int, ...), weights=(str, "uniform")
    )
    assert check(near, {"k": 3}, "baselines.knn").model_dump() == {"k": 3, "weights": "uniform"}
    with pytest.raises(ArmsError) as caught:
        check(near, {"weights": 1, "size": 2}, "baselines.knn")
    assert str(caught.value).splitlines() == [
        "baselines.knn.k: missing",
        "baselines.knn.weights: expected a valid string, got 1",
        "baselines.knn: unknown key 'size'; known: k, weights",
    ]


def test_a_setting_cannot_be_reassigned(root):
    with pytest.raises(ValueError, match="frozen"):
        read_params(root).epochs = 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "answer_tokens: 32",
            "answer_tokens: 32, question_tokens: 8",
            "params.yaml.costs: unknown key 'question_tokens'; known: characters_per_token, image_tokens",
        ),
        (
            "seed: 1\n",
            "seed: 1\nsed: 1\n",
            "params.yaml: unknown key 'sed'; known: data, encoders, preset, epochs, seed, router",
        ),
        ("epochs: 2\n", "", "params.yaml.epochs: missing; every setting is written out, none has a default"),
        ("seed: 1\n", "seed: 4294967296\n", "params.yaml.seed: expected less than 4294967296, got 4294967296"),
        (
            "samples: 2000, seed: 1",
            "samples: 2000, seed: -1",
            "seed: expected greater than or equal to 0, got -1",
        ),
        ("samples: 2000", "samples: 1000000000", "samples: expected less than or equal to 100000, got 1000000000"),
        ("epochs: 2\n", "epochs: two\n", "params.yaml.epochs: expected a valid integer, got 'two'"),
        ("epochs: 2\n", "epochs: 2.0\n", "params.yaml.epochs: expected a valid integer, got 2.0"),
        ("epochs: 2\n", "epochs: true\n", "params.yaml.epochs: expected a valid integer, got True"),
        ("num_experts: 4", "num_experts: 0", "router.num_experts: expected greater than or equal to 1, got 0"),
        ("dropout: 0.1", "dropout: 1", "params.yaml.router.dropout: expected less than 1, got 1"),
        ("theta: 0.5", "theta: 1.5", "params.yaml.extend.theta: expected less than or equal to 1, got 1.5"),
        ("logit_min: -5.0", "logit_min: 0.0", "params.yaml.router.logit_min: expected less than 0, got 0.0"),
        ("logit_min: -5.0", "logit_min: -.inf", "params.yaml.router.logit_min: expected a finite number, got -inf"),
        ("8e-5", "fast", "params.yaml.train.learning_rate: expected a valid number, got 'fast'"),
        ("8e-5", "'8e-5'", "params.yaml.train.learning_rate: expected a valid number, got '8e-5'"),
        ("8e-5", ".nan", "params.yaml.train.learning_rate: expected a finite number, got nan"),
        ("0.0005", "0", "params.yaml.extend.incremental.learning_rate: expected greater than 0, got 0"),
        ("fusion: pooled", "fusion: sum", "router.fusion: expected 'outer', 'pooled', 'tokens' or 'concat', got 'sum'"),
        ("top_k: 4", "top_k: 5", "params.yaml.router: top_k must be at most num_experts (4), got 5"),
        (
            "attention_width: 128",
            "attention_width: 130",
            "params.yaml.router: attention_width must be a multiple of num_heads (4), got 130",
        ),
        ("{random: {}, knn", "{random: 1, knn", "params.yaml.baselines.random: expected a valid dictionary, got 1"),
        ("_token: 4.0", "_token: 0", "params.yaml.costs.characters_per_token: expected greater than 0, got 0"),
        ("image_tokens: 768", "image_tokens: -1", "costs.image_tokens: expected greater than or equal to 0, got -1"),
        ("answer_tokens: 32", "answer_tokens: 3.5", "costs.answer_tokens: expected a valid integer, got 3.5"),
        ("per_b: 0.02", "per_b: -0.1", "own_compute_usd_per_b: expected greater than or equal to 0, got -0.1"),
        ("per_b: 0.02", "per_b: .inf", "params.yaml.costs.own_compute_usd_per_b: expected a finite number, got inf"),
        ("seed: 1\n", "seed: 1\nseed: 2\n", "params.yaml: not valid YAML: while constructing a mapping"),
        ("data: sample", "data: [", "params.yaml: not valid YAML: while parsing"),
        ("workers: 2", "workers: many", "params.yaml.runtime.workers: expected an integer >= 1 or 'auto', got 'many'"),
        ("gb: 4.0", "gb: 0", "params.yaml.runtime.cache_budget_gb: expected greater than 0, got 0"),
    ],
)
def test_errors(root, old, new, message):
    change(root / "params.yaml", old, new)
    assert message in error_of(root, read_params)


@pytest.mark.parametrize("content", ["", "- epochs", "epochs"])
def test_a_file_that_is_no_mapping(root, content):
    (root / "params.yaml").write_text(content)
    assert "params.yaml: expected a valid dictionary" in error_of(root, read_params)


def test_every_problem_is_reported_at_once(root):
    change(root / "params.yaml", "epochs: 2", "epochs: 0")
    change(root / "params.yaml", "workers: 2", "workers: 0")
    lines = error_of(root, read_params).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["params.yaml.epochs", "params.yaml.runtime.workers"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: [a, b]", "base: []", "conf/data/mine.yaml.pools.base: expected 1 or more, got []"),
        ("base: [a, b]", "base: [a, 1]", "conf/data/mine.yaml.pools.base.1: expected a valid string, got 1"),
        (
            "missing_share",
            "mising_share",
            "mine.yaml.sample: unknown key 'mising_share'; known: seed, images_per_bench",
        ),
        ("questions_per_image: 2", "questions_per_image: 3", "questions_per_image: expected less than or equal to 2"),
        ("strict: false", "strict: maybe", "mine.yaml.strict: expected a valid boolean, got 'maybe'"),
    ],
)
def test_data_errors(root, old, new, message):
    change(root / "conf/data/mine.yaml", old, new)
    assert message in error_of(root, read_data_params, "mine")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tunable_layers: 2", "tunable_layers: -1", "image.tunable_layers: expected an integer >= 0 or 'all', got -1"),
        ("tunable_layers: 2", "tunable_layers: most", "tunable_layers: expected an integer >= 0 or 'all', got 'most'"),
        ("tunable_layers: 2", "tunable_layers: true", "tunable_layers: expected an integer >= 0 or 'all', got True"),
        ("model: ViT-B-32", "model: null", "pair.yaml.image: set exactly one of model and architecture; the other is"),
        ("architecture: {dim: 8}", "architecture: null", "pair.yaml.text: vocabulary_size goes with architecture"),
        ("model: null", "model: bert", "pair.yaml.text: set exactly one of model and architecture"),
        (
            "model: ViT-B-32, architecture: null",
            "model: null, architecture: {embed_dim: 8}",
            "pair.yaml.image: pretrained weights go with a model, not with `architecture`",
        ),
        (
            "resize: shortest",
            "resize: crop",
            "image.resize: expected 'shortest', 'longest', 'squash' or 'own', got 'crop'",
        ),
    ],
)
def test_encoder_errors(root, old, new, message):
    change(root / "conf/encoders/pair.yaml", old, new)
    assert message in error_of(root, read_encoders_params, "pair")


def test_an_unknown_file_names_the_known_ones(root):
    message = error_of(root, read_data_params, "ours")
    assert message == "conf/data/ours.yaml: no such settings file; known here: mine, yours"
    assert "conf/encoders/other.yaml: no such settings file; known here: pair" in error_of(
        root, read_encoders_params, "other"
    )
    (root / "conf/encoders/pair.yaml").unlink()
    assert "pair.yaml: no such settings file; known here: none" in error_of(root, read_encoders_params, "pair")


def test_override(root):
    params = read_params(root)
    changed = override(
        params, ["train.learning_rate=1e-3", "baselines.knn.num_neighbours=[4]", "epochs=3", "train.clip_norm=1.5"]
    )
    assert (changed.train.learning_rate, changed.epochs, changed.train.clip_norm) == (1e-3, 3, 1.5)
    assert changed.baselines == {"random": {}, "knn": {"num_neighbours": [4], "weights": "distance"}}
    assert params.baselines["knn"]["num_neighbours"] == [8, 16]
    assert changed.router == params.router
    assert params.epochs == 2
    assert override(params, []) == params


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epoch=3", "epoch=3: expected a setting of params.yaml and its value, as in router.inputs=text"),
        ("router.input=text", "router.input=text: expected a setting of params.yaml"),
        ("epochs.more=3", "epochs.more=3: expected a setting of params.yaml"),
        ("baselines.knn.k=3", "baselines.knn.k=3: expected a setting of params.yaml"),
        ("baselines.knn.num_neighbours.1=3", "baselines.knn.num_neighbours.1=3: expected a setting of params.yaml"),
        ("epochs", "epochs: expected a setting of params.yaml"),
        ("=3", "=3: expected a setting of params.yaml"),
        ("epochs=[", "epochs=[: not valid YAML: while parsing"),
        ("epochs=0", "params.yaml.epochs: expected greater than or equal to 1, got 0"),
        ("router.top_k=9", "params.yaml.router: top_k must be at most num_experts (4), got 9"),
    ],
)
def test_override_errors(root, assignment, message):
    with pytest.raises(ArmsError) as caught:
        override(read_params(root), [assignment])
    assert str(caught.value).startswith(message)


class TestPreset:
    def test_its_values_win_over_params_yaml_and_the_rest_stays(self, root):
        plain = read_params(root)
        change(root / "params.yaml", "preset: none", "preset: mine")
        params = read_params(root)
        assert (params.epochs, params.router.fusion) == (7, "outer")
        assert (params.train.clip_norm, params.train.patience) == (1.0, None)
        assert params.extend.independent.start == "nothing"
        assert (params.safe.use, params.safe.num_folds) == (False, 3)
        back = override(
            params,
            [
                *("preset=none", "epochs=2", "router.fusion=pooled", "train.clip_norm=null"),
                *("extend.independent.start=phi", "safe.use=true"),
            ],
        )
        assert back == plain

    def test_null_is_a_value(self, root):
        change(root / "params.yaml", "patience: null", "patience: 3")
        assert read_params(root, ["preset=mine"]).train.patience is None

    def test_assignments_choose_it_and_win_over_it(self, root):
        params = read_params(root, ["epochs=3", "preset=mine"])
        assert (params.epochs, params.router.fusion, params.preset) == (3, "outer", "mine")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("{fusion", "{fusoin", "conf/presets/mine.yaml.router: unknown key 'fusoin'; known: profile, inputs, fus"),
            (
                "fusion: outer",
                "fusion: inner",
                "conf/presets/mine.yaml.router.fusion: expected 'outer', 'pooled', 'tokens' or 'con",
            ),
            (
                "epochs: 7",
                "epochs: 7\ndata: sample",
                "mine.yaml: unknown key 'data'; known: epochs, router, train, ext",
            ),
            ("router: {fusion: outer}\n", "", "conf/presets/mine.yaml.router: missing; every setting is written out"),
            ("epochs: 7", "epochs: 0", "conf/presets/mine.yaml.epochs: expected greater than or equal to 1, got 0"),
            ("{start: nothing}", "3", "conf/presets/mine.yaml.extend.independent: expected a valid dictionary"),
        ],
    )
    def test_what_is_wrong_in_it_is_reported_in_its_file(self, root, old, new, message):
        change(root / "params.yaml", "preset: none", "preset: mine")
        change(root / "conf/presets/mine.yaml", old, new)
        assert message in error_of(root, read_params)

    def test_an_unknown_one_names_the_known_ones(self, root):
        change(root / "params.yaml", "preset: none", "preset: theirs")
        assert error_of(root, read_params) == "conf/presets/theirs.yaml: no such settings file; known here: mine, none"

    def test_the_committed_ones(self):
        plain = read_params(ROOT, ["preset=none"])
        assert plain.preset == "none"
        published = read_params(ROOT, ["preset=published"])
        assert published.epochs == 2
        assert published.router.fusion == "outer"
        assert published.train.queries_per_step(4) == 16
        assert published.extend.independent.start == "nothing"
        assert published.baselines == plain.baselines


def first_setting(content, *parents):
    """A setting with its value, as `dvc exp run -S` takes it."""
    for key, value in content.items():
        if isinstance(value, dict) and (found := first_setting(value, *parents, key)):
            return found
        if isinstance(value, int):
            return f"{'.'.join((*parents, key))}={str(value).lower()}"
    return None


SETTINGS_FILES = ["params.yaml", *sorted(file.relative_to(ROOT).as_posix() for file in ROOT.glob("conf/*/*.yaml"))]


@pytest.mark.parametrize("name", SETTINGS_FILES)
def test_dvc_rewrites_only_the_line_that_it_changes(name, tmp_path):
    """`-S` loads the whole file and writes it anew, so it must be as DVC's YAML writer has it."""
    from dvc.utils.hydra import apply_overrides

    text = (ROOT / name).read_text()
    (tmp_path / "params.yaml").write_text(text)
    apply_overrides(tmp_path / "params.yaml", [first_setting(YAML(typ="safe").load(text)) or "epochs=null"])
    assert (tmp_path / "params.yaml").read_text() == text


@pytest.mark.parametrize(("num_vlms", "queries"), [(1, 64), (4, 16), (7, 9), (64, 1), (100, 1)])
def test_a_batch_of_pairs_has_as_many_queries_as_fit(root, num_vlms, queries):
    params = read_params(root, ["train.batch_unit=pairs"]).train
    assert params.queries_per_step(num_vlms) == queries
    assert read_params(root).train.queries_per_step(num_vlms) == 64


def test_workers(root):
    assert read_params(root).runtime.num_workers == 2
    change(root / "params.yaml", "workers: 2", "workers: auto")
    assert read_params(root).runtime.num_workers >= 1
