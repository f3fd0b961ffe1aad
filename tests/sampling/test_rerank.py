"""Re-ranking under a perceptor that tells mean colours, whose right answers can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.sampling.rerank import rerank

RED, GREEN, BLUE = torch.eye(3)
COLOURS = torch.tensor([[-1.0, -1.0, -1.0], [1.2, -1.0, -1.0], [0.0, 1.0, -1.0], [1.0, 1.0, 1.0], [-1.0, 0.4, 0.8]])


class Colours:
    """Embeds views as their mean colour, and keeps them."""

    image_size = 4
    mean = (0.5, 0.25, 0.0)
    std = (0.25, 0.5, 1.0)

    def __init__(self) -> None:
        self.views: list[Tensor] = []

    def encode_text(self, texts: list[str]) -> Tensor:
        raise AssertionError("embeddings of texts are given")

    def encode_image(self, views: Tensor) -> Tensor:
        self.views.append(views)
        return views.mean((2, 3))


def decode(tokens: Tensor) -> Tensor:
    """A picture of 8 x 8 pixels in stripes of the colours of its two tokens."""
    pictures = COLOURS[tokens[:, 0]][:, :, None, None].repeat(1, 1, 8, 8)
    pictures[..., ::2] = COLOURS[tokens[:, 1]][:, :, None, None]
    return pictures


def plain(*colours: int) -> Tensor:
    return torch.tensor([[c, c] for c in colours])


def test_the_closest_come_first_with_their_pictures() -> None:
    tokens = torch.stack([plain(0, 1, 2, 3), plain(4, 2, 1, 0)])
    ranked = rerank(decode, Colours(), torch.stack([RED, 5 * GREEN]), tokens, 2, batch=3)
    assert ranked.tokens[:, :, 0].tolist() == [[1, 3], [2, 4]]
    assert ranked.candidates.tolist() == [[1, 3], [1, 0]]
    pictures = ((COLOURS[ranked.tokens[:, :, 0]] + 1) / 2).clamp(0, 1)[..., None, None].expand(-1, -1, -1, 8, 8)
    torch.testing.assert_close(ranked.images, pictures)
    seen = (pictures[..., 0, 0] - torch.tensor(Colours.mean)) / torch.tensor(Colours.std)
    cosines = F.cosine_similarity(seen, torch.stack([RED, GREEN])[:, None], dim=-1)
    torch.testing.assert_close(ranked.similarities, cosines)


def test_views_are_in_range_antialiased_and_normalised() -> None:
    def stripes(tokens: Tensor) -> Tensor:
        pictures = torch.full((len(tokens), 3, 32, 32), -1.0)
        pictures[..., 3::8] = pictures[..., 4::8] = 1.5  # where a resize without antialiasing would look
        return pictures

    eye = Colours()
    ranked = rerank(stripes, eye, RED[None], torch.zeros(1, 1, 1, dtype=torch.int64), 1)
    assert ranked.images.unique().tolist() == [0.0, 1.0]
    [view] = eye.views
    colours = view * torch.tensor(Colours.std).view(3, 1, 1) + torch.tensor(Colours.mean).view(3, 1, 1)
    torch.testing.assert_close(colours, torch.full((1, 3, 4, 4), 0.25), atol=0.06, rtol=0)


def test_as_clip_gen_did_it() -> None:
    eye = Colours()
    tokens = torch.tensor([[[1, 0], [3, 3]]])
    ranked = rerank(decode, eye, RED[None], tokens, 2, compat_clip_gen=True)
    [views] = eye.views
    expected = F.interpolate(decode(tokens[0]), (4, 4), mode="bilinear", align_corners=False)
    assert torch.equal(views, expected)
    assert expected.max() > 1.0 or expected.min() < 0.0
    assert ranked.tokens[0].tolist() == [[3, 3], [1, 0]]
    assert ranked.images.min() == 0.0  # only what CLIP sees is out of range


def test_the_two_ways_may_disagree() -> None:
    tokens = plain(1, 3)[None]
    assert rerank(decode, Colours(), BLUE[None], tokens, 1).tokens.tolist() == [[[3, 3]]]
    red_not_green = torch.tensor([[1.0, -1.0, 0.0]])
    right = rerank(decode, Colours(), red_not_green, plain(1, 2)[None], 2)
    as_it_was = rerank(decode, Colours(), red_not_green, plain(1, 2)[None], 2, compat_clip_gen=True)
    assert right.tokens.tolist() == as_it_was.tokens.tolist()
    assert not torch.allclose(right.similarities, as_it_was.similarities)


def test_of_equals_the_first() -> None:
    tokens = plain(2, 1, 1, 1)[None].clone()
    tokens[0, :, 1] = torch.tensor([2, 1, 1, 1])
    longer = torch.cat([tokens, torch.arange(4)[None, :, None]], dim=2)
    assert rerank(decode, Colours(), RED[None], longer, 3).tokens[0, :, 2].tolist() == [1, 2, 3]


def test_what_cannot_be_is_said() -> None:
    tokens = plain(0, 1)[None]
    with pytest.raises(UserError, match="keep must be 1 to 2, the number of candidates, got 3"):
        rerank(decode, Colours(), RED[None], tokens, 3)
    with pytest.raises(UserError, match="keep must be 1 to 2"):
        rerank(decode, Colours(), RED[None], tokens, 0)
    with pytest.raises(UserError, match="batch must be 1 or more, got 0"):
        rerank(decode, Colours(), RED[None], tokens, 1, batch=0)
    with pytest.raises(UserError, match=r"got \[2, 3\] and \[1, 2, 2\]"):
        rerank(decode, Colours(), torch.eye(3)[:2], tokens, 1)
    with pytest.raises(UserError, match="got 5 numbers for a text and 3 for a picture"):
        rerank(decode, Colours(), torch.ones(1, 5), tokens, 1)


def test_views_shift_by_a_sixteenth_and_their_cosines_are_averaged() -> None:
    """One candidate is red in its left half only, which a shift to the right shows more of."""

    def halves(tokens: Tensor) -> Tensor:
        pictures = torch.full((len(tokens), 3, 16, 16), -1.0)
        pictures[..., 0, :, :8] = 1.0
        pictures[..., 1, :, 8:] = 1.0
        return pictures

    eye = Colours()
    eye.image_size = 16  # nothing is resized
    ranked = rerank(halves, eye, RED[None], plain(0)[None], 1, views=3)
    shares = torch.tensor([8, 7, 9]) / 16  # of red in what is seen: as it is, from a pixel further right, further left
    seen = torch.stack([shares, 1 - shares, torch.zeros(3)], 1)
    seen = (seen - torch.tensor(Colours.mean)) / torch.tensor(Colours.std)
    expected = F.cosine_similarity(seen, RED[None], dim=-1).mean()
    torch.testing.assert_close(ranked.similarities[0, 0], expected, atol=1e-4, rtol=1e-4)
    assert abs(float(expected) - float(F.cosine_similarity(seen[:1], RED[None]))) > 1e-3
    for views in (0, 10):
        with pytest.raises(UserError, match="views must be 1 to 9"):
            rerank(halves, eye, RED[None], plain(0)[None], 1, views=views)
