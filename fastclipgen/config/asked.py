"""What pictures are to become: prompts of every kind and what they are held to, as settings. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from fastclipgen.guidance.prompts import (
    MAX_WEIGHT,
    parse_image_prompt,
    parse_noise_prompt,
    parse_prompt,
    parse_prompts,
    parse_target,
    phases_of,
)

PROMPT_KINDS = (  # one of them must say what to draw
    "prompts", "image_prompts", "labels", "image_labels", "noise_prompts", "vector_prompts",
)  # fmt: skip
LATENT_PULLS = ("init_weight", "init_weight_dist", "init_weight_cos", "init_weight_decay")
_PARSERS: dict[str, Callable[[str], object]] = {  # raise UserError, as pydantic passes it on, for what they cannot read
    "prompts": parse_prompts,
    "labels": parse_prompt,
    "noise_prompts": parse_noise_prompt,
    **dict.fromkeys(("image_prompts", "image_labels", "vector_prompts"), parse_image_prompt),
    **dict.fromkeys(("target_images", "target_pixels"), parse_target),
}


class Asked(BaseModel):
    """The settings of a run that say what its pictures are to become; `RunConfig` adds how they are made."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    prompts: list[str] = Field(
        description="one picture each; `|` inside joins several prompts in one picture, `^` phases of a story"
    )
    change_prompt_every: int | None = Field(
        None, ge=1, description="steps that a phase of a story lasts; none: the story is told once"
    )
    negative: list[str] = Field([], description="prompts that every picture moves away from")
    image_prompts: list[str] = Field([], description="paths of pictures to come close to, PATH[:WEIGHT[:STOP]]")
    image_prompt_recut: bool = Field(False, description="see image prompts through the views of each step")
    labels: list[str] = Field([], description="things, seen in CLIP's seven best templates, TEXT[:WEIGHT[:STOP]]")
    image_labels: list[str] = Field([], description="the mean of a folder's pictures, PATH[:WEIGHT[:STOP]]")
    noise_prompts: list[str] = Field([], description="random directions, SEED[:WEIGHT[:STOP]]")
    vector_prompts: list[str] = Field([], description="directions from a file, PATH[:WEIGHT[:STOP]]")
    spot: list[str] = Field([], description="prompts that see only the spot")
    spot_off: list[str] = Field([], description="prompts that see only what is around the spot")
    spot_mask: str | None = Field(None, description="path of the spot, white in black; none: an ellipse in the middle")
    target_images: list[str] = Field([], description="pictures to come close to in the latent, PATH[:WEIGHT]")
    target_pixels: list[str] = Field([], description="pictures to come close to pixel by pixel, PATH[:WEIGHT]")
    init_weight: float = Field(0.0, description="pull to the start's latent: half the squared angle")
    init_weight_dist: float = Field(0.0, description="pull to the start's latent: half the mean square")
    init_weight_cos: float = Field(0.0, description="pull to the start's latent: 1 - cosine")
    init_weight_decay: float = Field(0.0, description="as init_weight_dist, divided by 2 * step + 1")
    init_weight_pixels: float = Field(0.0, description="pull to the start's pixels: half the mean difference")

    @field_validator("negative", "spot", "spot_off")
    @classmethod
    def _prompts_without_a_story(cls, values: list[str]) -> list[str]:
        for value in values:
            if phases_of(parse_prompts(value)) > 1:
                raise ValueError("must have no phases ('^'), which the prompts of a picture alone may have")
        return values

    @field_validator(*_PARSERS)
    @classmethod
    def _each_parses(cls, values: list[str], info: ValidationInfo) -> list[str]:
        for value in values:
            _PARSERS[info.field_name or ""](value)
        return values

    @field_validator(*LATENT_PULLS, "init_weight_pixels")
    @classmethod
    def _weights_are_bounded(cls, value: float) -> float:
        if not abs(value) <= MAX_WEIGHT:  # written so that NaN fails too
            raise ValueError(f"must be a number between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}")
        return value
