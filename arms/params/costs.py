"""What an answer is taken to cost: a section of params.yaml."""

from pydantic import Field

from arms.params.section import PositiveFloat, Section


class CostsParams(Section):
    """The estimate of an answer's cost where none is recorded: see `arms.data.costs.estimate_costs`."""

    characters_per_token: PositiveFloat = Field(description="of a question, on average")
    image_tokens: int = Field(ge=0, description="tokens of an image, in the prompt")
    answer_tokens: int = Field(ge=0, description="tokens of an answer")
    own_compute_usd_per_b: float = Field(ge=0, description="of a free VLM: USD for 1e6 tokens and 1e9 parameters")


# As in params.yaml; for routers that no stage with `costs` among its settings has saved.
STANDARD_COSTS = CostsParams(characters_per_token=4.0, image_tokens=768, answer_tokens=32, own_compute_usd_per_b=0.02)
