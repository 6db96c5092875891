"""What the name of a HELM run says: its benchmark, its arguments, and on what the runs of several VLMs are joined."""

import re
from dataclasses import dataclass

_VLM_ARGS = ("model", "model_deployment")

# Languages as HELM's scenarios spell them, with their codes; others stay as they are written.
_LANGUAGES = dict(
    pair.split(":")
    for pair in (
        "arabic:ar bengali:bn bulgarian:bg chinese:zh croatian:hr croation:hr cusco_quechua:quz czech:cs danish:da "
        "dutch:nl english:en finnish:fi french:fr german:de greek:el hebrew:he hindi:hi hungarian:hu indonesian:id "
        "italian:it japanese:ja korean:ko maori:mi norwegian:no persian:fa polish:pl portuguese:pt romanian:ro "
        "russian:ru serbian:sr spanish:es swahili:sw swedish:sv telugu:te thai:th turkish:tr ukrainian:uk vietnamese:vi"
    ).split()
)


@dataclass(frozen=True)
class RunName:
    """The parts of a name such as `mmmu:subject=Art,question_type=open,model=openai_gpt-4o`.

    Attributes
    ----------
    benchmark : str
        What comes before the first colon.
    key : str
        The name without its VLM: the same for all VLMs that were asked the same.
    args : dict of str to str
        The arguments, without the VLM.
    """

    benchmark: str
    key: str
    args: dict[str, str]


def parse_run_name(name: str) -> RunName:
    """Take a run's name apart; the VLM may be anywhere among the arguments."""
    benchmark, _, rest = name.partition(":")
    parts = [part for part in rest.split(",") if part and part.partition("=")[0] not in _VLM_ARGS]
    key = f"{benchmark}:{','.join(parts)}" if parts else benchmark
    # Some names have a colon between arguments: image2latex:subset=real:difficulty=easy,model=...
    pairs = [one.partition("=") for part in parts for one in part.split(":")]
    return RunName(benchmark, key, {argument: value for argument, equals, value in pairs if equals})


def language_code(name: str) -> str:
    """The code of a language that a run names: Chinese is zh; an unknown name stays."""
    return _LANGUAGES.get(name.lower(), name)


def natural_key(text: str) -> list[int | str]:
    """Sorts numbers in texts by their value: v1.10 comes after v1.9."""
    parts = re.split("([0-9]{1,18})", text)  # text and digits take turns
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]
