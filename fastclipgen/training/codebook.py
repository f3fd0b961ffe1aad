"""How the codes of a VQGAN learn: by their gradient or as moving averages of what chose them; dead ones begin anew.

Moving averages: van den Oord et al., "Neural discrete representation learning", arXiv 1711.00937, appendix A.1.
Restarts: Dhariwal et al., "Jukebox", arXiv 2005.00341, section 3: a code that is hardly chosen becomes a vector of the
batch. A late start: Lancucki et al., "Robust training of vector quantized bottleneck models", arXiv 2005.08520: nothing
is quantised at first, and the codes begin as vectors of an encoder that has learned something. Among several processes
all have the same codes, made of what all of them saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fastclipgen.ops.philox import Stream, words
from fastclipgen.ops.vq_lookup import Quantized, vq_quantize, vq_statistics
from fastclipgen.training import processes

SMOOTHING = 1e-5  # of the counts, against a division by nothing
NEWBORN = 0.1  # of the mean use, what a code that begins anew is taken to have


@dataclass(frozen=True)
class CodeOptions:
    """learning: "gradient" or "ema"; commitment: beta, of the pull of the encoder to the codes."""

    learning: str = "ema"
    commitment: float = 0.25
    decay: float = 0.99  # of the moving averages
    restart_every: int = 25  # steps; 0: never
    restart_below: float = 0.01  # of the mean use: a code that is chosen less often is dead
    start: int = 0  # the step from which vectors are quantised; before, the decoder gets them as they are
    restart_until: int = 0  # the step of the last restart, so that what remains can settle


class CodeTrainer(nn.Module):
    """Quantises for the training of `codes` [K, D], a parameter that it changes in place. Its buffers are the moving
    averages, and belong into the checkpoint."""

    counts: Tensor  # [K], how often a code is chosen in a step
    sums: Tensor  # [K, D], of the vectors that chose it

    def __init__(self, codes: nn.Parameter, options: CodeOptions, seed: int) -> None:
        super().__init__()
        self.options, self.seed = options, seed
        self._codes = [codes]  # in a list: it is the model's parameter, not this module's
        codes.requires_grad_(options.learning == "gradient")
        self.register_buffer("counts", torch.zeros(len(codes)))
        self.register_buffer("sums", torch.zeros_like(codes, requires_grad=False))

    @property
    def codes(self) -> nn.Parameter:
        return self._codes[0]

    def quantize(self, z: Tensor, step: int) -> Quantized:
        """The codes for z, float32 [..., D], and the loss of `vq_quantize`; z itself before `start`.

        Before that, codes that are due to begin anew do so; after it, the moving averages go on.
        """
        o = self.options
        since = step - o.start
        if since < 0:
            return Quantized(z, z.new_zeros(z.shape[:-1], dtype=torch.int64), z.new_zeros(()))
        due = o.restart_every > 0 and since % o.restart_every == 0 and step <= o.restart_until
        if due or (since == 0 and o.start > 0):  # none is in use yet: all begin as vectors of the batch
            self.restart(z.detach(), step)
        moving = o.learning == "ema"
        found = vq_quantize(z, self.codes.detach().clone() if moving else self.codes, o.commitment)
        self._observe(z.detach(), found.indices)
        return found

    @torch.no_grad()
    def _observe(self, z: Tensor, indices: Tensor) -> None:
        counts, sums = vq_statistics(z, indices, len(self.codes))
        counts, sums = processes.total(counts.to(self.counts.dtype)), processes.total(sums)
        self.counts.lerp_(counts, 1 - self.options.decay)
        self.sums.lerp_(sums, 1 - self.options.decay)
        if self.options.learning == "ema":
            seen = self.counts > SMOOTHING
            self.codes.copy_(
                torch.where(seen[:, None], self.sums / self.counts.clamp_min(SMOOTHING)[:, None], self.codes)
            )

    @torch.no_grad()
    def restart(self, z: Tensor, step: int) -> int:
        """Every dead code becomes a random vector of z [..., D] (of all processes); returns how many were dead."""
        vectors = processes.gathered(z.reshape(-1, z.shape[-1]))
        usual = len(vectors) / len(self.codes)  # uses of a code in a step if all were alike
        dead = self.counts < self.options.restart_below * usual  # [K]
        seed = torch.tensor([self.seed], dtype=torch.int64)
        drawn = words(seed, step, Stream.INIT, len(self.codes))[0, 0] % len(vectors)  # [K]
        new = vectors[drawn.to(z.device)]
        self.codes.copy_(torch.where(dead[:, None], new, self.codes))
        share = NEWBORN * usual
        self.counts.copy_(torch.where(dead, share, self.counts))
        self.sums.copy_(torch.where(dead[:, None], new * share, self.sums))
        return int(dead.sum())
