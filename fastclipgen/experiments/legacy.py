"""The grammar of CLIPig's files of before May 2021, rewritten into today's, one item of a list at a time.

The rule: an item is of the old grammar if something in it is spelled as only that one did: `blur` as a kernel and a
sigma without names (`blur: 3 .35`), `edge: true`, or `multiply`. What such an item names is applied in the fixed order
of `ORDER`, as it was then; in all other items the written order counts. Everything else that the old grammar had reads
the same in both, such as `random_rotate` without a degree.
"""

from __future__ import annotations

from fastclipgen.errors import UserError
from fastclipgen.experiments.fields import holding, made, shown
from fastclipgen.recipes.documents import Entry
from fastclipgen.recipes.values import split

ORDER = (
    "repeat", "blur", "random_translate", "random_scale", "random_rotate", "random_crop", "resize", "center_crop",
    "noise", "edge", "add", "mul",
)  # fmt: skip
OLD_EDGE = {"kernel_size": 5, "sigma": 2, "amount": 10}
OLD_DEGREES = "-5 5"


def modern(item: dict[str, Entry], path: str, postproc: bool) -> dict[str, Entry]:
    """The keys of an item of `transforms` or `postproc` in today's spelling and in the order in which they apply.

    Raises UserError for a `blur` without names that is not a kernel and a sigma.
    """
    keys = dict(item)
    old = False
    blur, edge = keys.get("blur"), keys.get("edge")
    if blur is not None and not isinstance(blur.value, dict | None):
        keys["blur"], old = _blur(blur, f"{path}.blur"), True
    if edge is not None and edge.value is True:
        keys["edge"], old = made(OLD_EDGE, edge), True
    if postproc and "multiply" in keys:
        if "mul" in keys:
            raise UserError(f"{keys['multiply'].where(path)}: 'multiply' is the old name of 'mul'; keep one of them")
        keys["mul"], old = keys.pop("multiply"), True
    if old:
        places = {name: place for place, name in enumerate(ORDER)}
        keys = dict(sorted(keys.items(), key=lambda pair: places.get(pair[0], len(places))))
    rotate = keys.get("random_rotate")
    if rotate is not None and (rotate.value is None or isinstance(rotate.value, dict)):
        given = rotate.value or {}
        if "degree" not in given:
            keys["random_rotate"] = holding({"degree": made(OLD_DEGREES, rotate), **given}, rotate)
    return keys


def _blur(entry: Entry, path: str) -> Entry:
    parts = entry.value
    if not isinstance(parts, list):
        parts = [made(part, entry) for part in split(parts)] if isinstance(parts, str) else [entry]
    if len(parts) != 2:
        raise UserError(
            f"{entry.where(path)}: expected a kernel and a sigma as in 'blur: 3 .35', or their names as in "
            f"'blur: {{kernel_size: 3}}', got {shown(entry)}"
        )
    return holding({"kernel_size": parts[0], "sigma": parts[1]}, entry)
