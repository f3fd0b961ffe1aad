"""Pictures -> figures: takes their features, and those of a reference, once for all measures and all sets.

Knows neither options nor tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastclipgen.errors import UserError
from fastclipgen.evaluation.captions import stored_guides
from fastclipgen.evaluation.extractors import ClipFeatures, Extractor, Small, Spectra
from fastclipgen.evaluation.feature_cache import FeatureCache
from fastclipgen.evaluation.features import Features, extract
from fastclipgen.evaluation.figures import Figures, Sight, distinct, measure
from fastclipgen.evaluation.inception import InceptionFeatures
from fastclipgen.evaluation.pictures import Item
from fastclipgen.evaluation.references import Reference
from fastclipgen.evaluation.spectrum import NATURAL, Limits, limits_of
from fastclipgen.guidance.targets import encode_texts


@dataclass(eq=False)
class Assessor:
    """Measures sets of pictures in the same way. judges: at least one; inception: for FID, which needs a reference;
    broken: what could not be read so far, with the reason."""

    judges: Sequence[ClipFeatures]
    reference: Reference | None = None
    inception: InceptionFeatures | None = None
    cache: FeatureCache | None = None
    tick: Callable[[int], None] = lambda done: None
    broken: dict[str, str] = field(default_factory=dict)
    _compared: Features | None = None

    def assess(self, name: str, items: Sequence[Item], prompts: Sequence[str | None]) -> Figures:
        """The figures of one set; prompts: of each picture. Raises UserError where none of them, or of the reference's,
        can be read."""
        found = self._extracted(items, name)
        compared = self._reference_features()
        files, told = found.names, [prompts[i] for i in found.index.tolist()]
        texts, guides = distinct(told), set[str]().union(*map(stored_guides, files))
        sights = [
            Sight(
                judge.eye.name,
                found.rows[2 + k],
                encode_texts(judge.eye, texts).cpu() if texts else found.rows[2 + k][:0],
                None if compared is None else compared.rows[2 + k],
                judge.eye.name in guides,
            )
            for k, judge in enumerate(self.judges)
        ]
        both = None if compared is None or self.inception is None else (found.rows[-1], compared.rows[-1])
        rings = Spectra.rings(found.rows[0])
        return measure(name, files, told, sights, rings, found.rows[1], self._limits(), both)

    def _reference_features(self) -> Features | None:
        if self.reference is not None and self._compared is None:
            self._compared = self._extracted(self.reference.items, self.reference.name)
        return self._compared

    def _limits(self) -> Limits:
        """Those of the reference, or of photographs where there is none."""
        compared = self._reference_features()
        return NATURAL if compared is None else limits_of(Spectra.rings(compared.rows[0]))

    def _extracted(self, items: Sequence[Item], what: str) -> Features:
        more = [self.inception] if self.inception is not None else []
        extractors: list[Extractor] = [Spectra(), Small(), *self.judges, *more]
        found = extract(items, extractors, cache=self.cache, tick=self.tick)
        self.broken |= found.broken
        if not found.names:
            reason = next(iter(found.broken.values()), "there are none")
            raise UserError(f"none of the {len(items)} pictures of {what} can be read: {reason}")
        return found
