"""What docs/yaml.md says beside its tables."""

from __future__ import annotations

HEAD = """# Experiments in YAML

An experiment is a YAML file that says what a picture is to become and how it gets there: texts and pictures to
resemble, what is done to the picture before CLIP looks at it, what it should keep to besides, and how all of this
changes over the run. The grammar is [CLIPig](https://github.com/defgsus/clipig)'s, that of its last version and that of
its first README, so files written for it run here; what is new here is written in the same style.

This page is made by `fastclipgen reference -o docs/yaml.md`; the keys are declared in
`fastclipgen/experiments/keys.py`, transforms in `fastclipgen/guidance/transforms/` and constraints in
`fastclipgen/guidance/frame_constraints/`. `fastclipgen schema` gives the same as a JSON Schema for editors.

## A first file

Save this as `strawberries.yaml`:

```yaml
resolution: 512
epochs: 250
learnrate_scale: 1 - .95 * t5
targets:
- batch_size: 5
  features:
  - text: a bowl of strawberries
  transforms:
  - random_shift: -1 1
  - random_rotate: {degree: -10 10, center: 0 1}
  - center_crop: 224
  constraints:
  - blur: {kernel_size: 5}
```

and run it:

```sh
fastclipgen run strawberries.yaml -o pictures/                # a new file in pictures/ at each run
fastclipgen run strawberries.yaml epochs=100 seed=3           # with other values
fastclipgen run strawberries.yaml --repeat 4                  # four times, each with the next seed
fastclipgen run strawberries.yaml --print-config              # every key with its value; draws nothing
```

One target has one text. At each of 250 epochs five frames are made of the picture: shifted and turned at random, then
cut to the 224 pixels that CLIP sees. The optimiser takes one step that brings CLIP's features of the frames nearer to
those of the text and, for the constraint, the frames nearer to a blurred copy of themselves. `t5` goes from 0 to 1 over
the run, slowly at first, so the rate falls towards its end. More parts are added in the same way: another feature for
another text, with a negative `weight` to avoid it; another target for another part of the run (`start: 50%`) or of the
picture (a `mask`, or other `transforms`).

Beside the picture lies a YAML file of the same name. It is complete: every key with its value, the seed, and what
templates, included files and choices in texts became. Running it, or the picture itself, makes the picture again.

What is wrong in a file is said in one sentence with the file, the line and the path of the key, before anything is
loaded. A file is read within a second, whatever it holds: at most 250,000 characters, 5,000 values with all defaults
and 40,000 operations in its expressions.

Below are all keys; behind them [several files](#several-files), [templates](#templates),
[choices in texts](#choices-in-texts), [overrides](#overrides), [the old grammar](#the-old-grammar) and
[`compat: clipig`](#compat-clipig).

In the tables, "3 x number" is a list of three, a text with commas or blanks between them (`.1 .2 .3`), or one number
for all. "time" is an epoch (`100`) or a fraction of the run (`0.5`, `50%`). "knows" is the largest group of variables
that an expression may use there ([expressions.md](expressions.md)); each group knows those before it, and the two of
targets know `similarity` of their own. Without one, an expression may use no variables. A key without a value counts
as left out."""

RULES = """## One item, several transforms

`- {resize: 224, noise: .1}` applies both in the order in which they are written. `active`, `start` and `end` may
stand beside them, for all of the item, or within one (`noise: {std: .1, end: 50%}`), which counts more. A transform
of one option takes it inline or by name; one whose options all have defaults needs none (`border:`).

## The old grammar

An item is of the old grammar if something in it is spelled as only that one did: `blur` as kernel and sigma (`blur: 3
.35`), `edge: true` (a kernel of 5, sigma 2, ten times) or, in `postproc`, `multiply`, which is `mul`. In such an item
transforms apply in the order in which CLIPig did then: repeat, blur, random_translate, random_scale, random_rotate,
random_crop, resize, center_crop, noise, edge. `random_rotate` without a `degree` turns by -5 to 5. Everything else
means the same in both.

## `compat: clipig`

CLIPig's code differs from what it documents in some places. Here the documentation holds; with `compat: clipig` (or
`true`) the code does, where that changes what is drawn:

| what | without | with |
|---|---|---|
| `above`, `below` of constraints | no loss on the right side of the threshold | both sides are pulled to it |
| `random_crop`, `_scale`, `_translate`, `_shift` | `batch_size` frames | one frame, if no other transform is random |
| `center_crop`, `random_crop` with two numbers | width, height | height, width |
| `random_shift` | a range within -1..1 is one of fractions | each number is judged by itself |
| `edge` | light on dark and dark on light | light on dark only, limited to 0..1 |
| `quantize` | the gradient passes | there is none |
| constraint `noise` | pulls to a noisy copy that stays put | moves nothing |
| generator `pixels` | kept in 0..1 after each step | may leave 0..1, without a gradient there |
| `optimizer: sparse_adam` | Adam | RMSprop |
| a new `resolution` | the optimiser's state is resized | the optimiser begins anew |
| `image` of a feature | seen whole | its centre, cut to a square |
| choices in texts, without `wildcards` | chosen | texts are literal |

## Several files

`fastclipgen run a.yaml b.yaml` merges: mappings key by key, lists one after the other (also lists of numbers: write
`512 512` where another file may say something else), of anything else the later one counts. Of targets with the same
`name` the later one is merged into the earlier. `include: base.yaml`, or a list of files, merges those before the
file; paths are relative to it, and each included file is taken once.

## Templates

```yaml
templates:
  wobble: {random_shift: 0 .1, random_rotate: {degree: -5 5}}
  quiet: {end: 30%, weight: .5}
targets:
- template: quiet
  features: [{text: a fox}]
  transforms:
  - {template: wobble, noise: .1}
```

`template: NAME`, or a list of names, puts the keys of those templates into any mapping. The mapping's own keys win,
mappings within are merged key by key, lists are replaced. Templates may use templates.

## Choices in texts

`{red|blue|green}` is one of them, `{3::red|blue}` red three times as often, and they may stand within each other.
`__place__` is a line of `wildcards/place.txt` beside the file (subfolders as `__places/far__`), of another folder
(`wildcards: FOLDER`), or of a list in the file (`wildcards: {place: [a beach, a wood]}`); lines may hold choices
again, empty lines and those with `#` are left out. Each picture of a batch chooses by its seed, so the same seed
gives the same text. What was chosen is in the file beside the picture. `\\{`, `\\|`, `\\}` and `\\_` are the
characters themselves, and `wildcards: false` leaves all texts as they are. A `text` that is a list has one for each
picture of the batch.

## Overrides

`fastclipgen run FILE key.path=value` sets a value after merging: `epochs=100`, `targets.0.features[0].text="a cat"`,
`targets.sky.weight=2` by name. Numbers count from 0, the value is YAML, and lists are replaced."""
