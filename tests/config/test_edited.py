"""Settings of edits: what does not go together is said in one sentence; what is left open is decided."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fastclipgen.config import defaults
from fastclipgen.config.asked import Asked
from fastclipgen.config.edited import EDITS, Edited
from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.errors import UserError

OVERLAY = {"overlay": "a.png", "overlay_every": 5}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"overlay_every": 3}, "the setting 'overlay_every' needs 'overlay', which is missing; add --overlay PATH"),
        ({"overlay_alpha": 0.5}, "the setting 'overlay_alpha' needs 'overlay'"),
        ({"overlay_until": 5, "zoom_every": 2}, "the setting 'overlay_until' needs 'overlay'"),
        ({"overlay": "a.png"}, "how many steps lie between overlays, got none; add --overlay-every N"),
        ({"overlay_offset": 5} | OVERLAY, "an overlay_offset below overlay_every, which is 5, got 5; lower it"),
        ({"overlay_offset": 3, "overlay_until": 3} | OVERLAY, "would be at step 3, but overlay_until is 3; raise it"),
        ({"overlay_alpha": 1.5} | OVERLAY, "setting 'overlay_alpha': .*less than or equal to 1, got 1.5"),
        ({"overlay_alpha": math.nan} | OVERLAY, "setting 'overlay_alpha': "),
        ({"overlay_every": 0, "overlay": "a.png"}, "setting 'overlay_every': .*greater than or equal to 1, got 0"),
        ({"zoom": 1.02}, "the setting 'zoom' needs 'zoom_every', which is missing; add --zoom-every N"),
        ({"zoom_shift": (1, 0)} | OVERLAY, "the setting 'zoom_shift' needs 'zoom_every'"),
        ({"zoom_from": 0}, "the setting 'zoom_from' needs 'zoom_every'"),
        ({"zoom_every": 5, "zoom": 0.1}, "setting 'zoom': .*greater than or equal to 0.5, got 0.1"),
        ({"zoom_every": 5, "zoom": math.inf}, "setting 'zoom': .*less than or equal to 10, got inf"),
        ({"zoom_every": 5, "zoom_rotate": math.nan}, "setting 'zoom_rotate': "),
        ({"zoom_every": 5, "zoom_shift": (0.5, 1)}, r"setting 'zoom_shift\.0': .*got 0.5"),
        ({"zoom_every": 5, "zoom": 1.0}, "a zoom of 1 without rotation and shift changes nothing; give another --zoom"),
        ({"zoom_every": 5, "init": "a.png", "mask": "b.png"}, "a mask keeps a part of the start .* leave one of them"),
        ({"zoom_every": 5, "tracks": 2}, "tracks optimise several, of which one is published; leave tracks and fin"),
        ({"zoom_every": 5, "finalists": 2}, "tracks optimise several"),
        ({"zoom_every": 5, "generator": "clip-gen"}, "without refining takes no steps, so 'zoom_every' has no effect"),
        ({"generator": "clip-gen"} | OVERLAY, "without refining takes no steps, so 'overlay' has no effect"),
    ],
)
def test_what_makes_no_sense(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_config({"prompts": ["a"], **values})


def test_all_of_them_are_known_as_edits() -> None:
    assert set(EDITS) == set(Edited.model_fields) - set(Asked.model_fields)


def resolved(**values: Any) -> RunConfig:
    config = make_config({"prompts": ["a"], **values})
    name = defaults.resolve_generator(config, builtin=True)
    return defaults.resolve(config, name, True, 7, {})


def test_a_zoom_is_of_one_picture_and_as_lively_at_its_end() -> None:
    plain, zoomed = resolved(generator="stack"), resolved(zoom_every=5)
    assert (plain.tracks, plain.schedule, plain.zoom) == (3, "cosine:0.1", None)
    assert (zoomed.generator, zoomed.tracks, zoomed.finalists, zoomed.zoom) == ("stack", 1, 1, 0.99)
    assert (zoomed.schedule, zoomed.starts) == ("constant", plain.starts)
    assert resolved(zoom_every=5, zoom=1, zoom_rotate=2).zoom == 1
    assert resolved(zoom_every=5, schedule="linear").schedule == "linear"
    assert make_config(zoomed.model_dump()) == zoomed


def test_the_learned_prior_is_no_default_for_edits() -> None:
    assert resolved().generator == "vae"
    assert resolved(**OVERLAY).generator == "stack"
    assert resolved(**OVERLAY).tracks == 3, "tracks may be laid over alike"
