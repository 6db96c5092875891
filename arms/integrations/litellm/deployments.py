"""Which VLM of a router LiteLLM's deployments are of."""

from collections.abc import Mapping, Sequence

from arms.catalogue.match import profile_finder
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError


class Deployments:
    """The VLMs behind the names that LiteLLM has for its deployments, its `litellm_params.model`.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        Of the router's pool.
    vlms : mapping of str to str, optional
        LiteLLM's names, such as azure/prod-4, and the VLM that each is. A name that is not in it is of the VLM whose
        name is the same behind the last slash, whatever the case and the separators of words; see
        `arms.catalogue.match.profile_finder`.

    Raises
    ------
    ArmsError
        If the mapping names a VLM that the router does not know.
    """

    def __init__(self, profiles: Sequence[VlmProfile], vlms: Mapping[str, str] | None = None) -> None:
        self._given = dict(vlms or {})
        self._find = profile_finder(profiles)
        known = [profile.name for profile in profiles]
        for model, vlm in self._given.items():
            if vlm not in known:
                raise ArmsError(
                    f"vlms[{model!r}]: expected a VLM of the router, got {vlm!r}; known: {', '.join(known)}"
                )

    def vlm_of(self, model: str) -> str | None:
        """The VLM that a deployment is of; None if the router knows none such."""
        if model in self._given:
            return self._given[model]
        profile = self._find(model)
        return None if profile is None else profile.name

    def of(self, models: Sequence[str]) -> dict[str, str]:
        """The deployments whose VLM is known, each with its VLM."""
        return {model: vlm for model in models if (vlm := self.vlm_of(model)) is not None}
