"""A section of the settings: how its file is read and checked, and what is said of a value that is not allowed."""

from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from arms.errors import ArmsError
from arms.names import PIPELINE_ROUTERS, name_problem

Share = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator takes, scikit-learn's too


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_router_names(routers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name in routers:
        if problem := name_problem(name, PIPELINE_ROUTERS):
            raise ValueError(problem)
    return routers


Name = Annotated[str, AfterValidator(_check_name)]  # of a file or folder
RouterSettings = Annotated[dict[str, dict[str, Any]], AfterValidator(_check_router_names)]  # by the router's name


class Section(BaseModel):
    """A section of the settings: unknown keys, values of another type, infinity and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)
ModelT = TypeVar("ModelT", bound=BaseModel)


def named_file(kind: str, name: str, root: Path) -> Path:
    """The file conf/<kind>/<name>.yaml."""
    if problem := name_problem(name):
        raise ArmsError(f"conf/{kind}: {problem}")
    return root / "conf" / kind / f"{name}.yaml"


def read_section(path: Path, section: type[SectionT]) -> SectionT:
    """Read a settings file into its class; raise ArmsError with the key, the value and what is allowed."""
    if not path.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ArmsError(f"{path}: no such settings file; known here: {', '.join(known) or 'none'}")
    try:
        # YAML 1.2, as DVC reads it: 8e-5 is a number there and a string in YAML 1.1.
        content = YAML(typ="safe", pure=True).load(path)
    except YAMLError as error:
        raise ArmsError(f"{path}: not valid YAML: {error}") from error
    return check(section, content, path.as_posix())


def check(model: type[ModelT], content: Any, where: str) -> ModelT:
    """Settings as an instance of `model`; `where` they come from begins each line of the error.

    Raises
    ------
    ArmsError
        If pydantic finds anything wrong; a line per finding names the key, what was expected and what came.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ArmsError("\n".join(_describe(problem, model, where) for problem in error.errors())) from error


def _describe(problem: Any, model: type[BaseModel], where: str) -> str:
    """Put one of pydantic's findings as ``params.yaml.router.top_k: expected ..., got ...``."""
    *parents, _ = keys = [where, *map(str, problem["loc"])]
    place, kind = ".".join(keys), problem["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_fields(model, parents[1:])) or "none"
        return f"{'.'.join(parents)}: unknown key '{keys[-1]}'; known: {known}"
    if kind == "missing":
        required = all(field.is_required() for field in model.model_fields.values())
        return f"{place}: missing{'; every setting is written out, none has a default' if required else ''}"
    if kind == "value_error":
        return f"{place}: {problem['ctx']['error']}"
    if kind == "too_short":
        return f"{place}: expected {problem['ctx']['min_length']} or more, got {problem['input']!r}"
    expected = problem["msg"].removeprefix("Input should be ").removeprefix("Value should be ")
    return f"{place}: expected {expected}, got {problem['input']!r}"


def _fields(model: type[BaseModel], parents: list[str]) -> list[str]:
    """Names of the fields of the section that the keys `parents` lead to."""
    keys = iter(parents)
    for key in keys:
        annotation = model.model_fields[key].annotation
        if get_origin(annotation) is dict:
            next(keys)  # the name of one of several sections
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(model.model_fields)
