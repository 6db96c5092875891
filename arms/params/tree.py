"""All of params.yaml, its preset, and settings that win over both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from arms.errors import ArmsError
from arms.params.costs import CostsParams
from arms.params.runtime import RuntimeParams
from arms.params.section import Name, PositiveInt, RouterSettings, Section, Seed, check, named_file, read_section
from arms.params.training import ExtendParams, FitParams, RouterParams, SafeParams, TrainParams


class EvaluateParams(Section):
    """How scores become metrics."""

    bootstrap_samples: int = Field(ge=100, le=100_000, description="draws behind each 95 % interval")
    seed: Seed = Field(description="of the draws")


class Params(Section):
    """All of params.yaml."""

    data: Name = Field(description="a dataset: conf/data/<name>.yaml, its tables in data/raw/<name>")
    encoders: Name = Field(description="an encoder pair: conf/encoders/<name>.yaml")
    preset: Name = Field(description="values that win over those of this file: conf/presets/<name>.yaml")
    epochs: PositiveInt = Field(description="passes over the training queries")
    seed: Seed = Field(description="of weights, the order of the queries and dropout")
    router: RouterParams
    train: TrainParams
    extend: ExtendParams
    safe: SafeParams
    baselines: RouterSettings = Field(description="routers to compare ARMS with, and their settings")
    costs: CostsParams
    evaluate: EvaluateParams
    runtime: RuntimeParams

    @property
    def fit(self) -> FitParams:
        """What `train`, `epochs` and `seed` say, in one object."""
        return FitParams(**self.train.model_dump(), epochs=self.epochs, seed=self.seed)


class PresetParams(Section):
    """Settings that belong together, conf/presets/<name>.yaml: only those that they change in params.yaml."""

    epochs: PositiveInt | None = Field(description="wins over the one in params.yaml; null: leaves it")
    router: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    train: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    extend: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    safe: dict[str, Any] = Field(description="settings of this section that win over params.yaml")


def read_params(root: Path = Path(), assignments: Sequence[str] = ()) -> Params:
    """Read params.yaml in `root`, put the values of its preset in place, then those of `assignments`.

    Parameters
    ----------
    assignments : sequence of str
        As `override` takes them. One of them may name another preset.

    Raises
    ------
    ArmsError
        If a value is not allowed or a key is unknown; the message names the file and the key.
    """
    params = read_section(root / "params.yaml", Params)
    name = str(_assigned(params.model_dump(), assignments)["preset"])
    preset = read_preset_params(name, root).model_dump()
    if preset["epochs"] is None:
        del preset["epochs"]
    content = _merged(params.model_dump(), preset)
    return override(check(Params, content, _preset_file(name, root).as_posix()), assignments)


def read_preset_params(name: str, root: Path = Path()) -> PresetParams:
    """Read conf/presets/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(_preset_file(name, root), PresetParams)


def _preset_file(name: str, root: Path) -> Path:
    return named_file("presets", name, root)


def _merged(content: Any, changes: Any) -> Any:
    """Nested settings with some of them replaced; `changes` need not hold every key."""
    if not isinstance(content, dict) or not isinstance(changes, dict):
        return changes
    return content | {key: _merged(content.get(key), value) for key, value in changes.items()}


def override(params: Params, assignments: Sequence[str]) -> Params:
    """Settings with some values replaced, such as by ``router.inputs=text``; values are YAML.

    Raises
    ------
    ArmsError
        If an assignment names no setting or its value is not allowed.
    """
    return check(Params, _assigned(params.model_dump(), assignments), "params.yaml")


def _assigned(content: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Replace values in `content`, which are not checked yet."""
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        *parents, key = path.split(".")
        section: Any = content
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not equals or not isinstance(section, dict) or key not in section:
            raise ArmsError(f"{assignment}: expected a setting of params.yaml and its value, as in router.inputs=text")
        try:
            section[key] = YAML(typ="safe", pure=True).load(value)
        except YAMLError as error:
            raise ArmsError(f"{assignment}: not valid YAML: {error}") from error
    return content
