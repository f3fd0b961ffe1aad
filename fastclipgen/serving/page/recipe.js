// The few values of a YAML text that the form shows, read and written in place: comments and layout stay.

import { isScalar, parseDocument, stringify } from "./vendor/yaml.js";

const PLACES = {
  prompt: ["targets", 0, "features", 0, "text"],
  generator: ["generator"],
  epochs: ["epochs"],
  resolution: ["resolution"],
  seed: ["seed"],
  model: ["model"],
};
const OPTIONS = { version: "1.1" }; // the YAML that the server reads

export const FIRST = `# what the picture is to become; Ctrl-Space shows what there is to write
epochs: 300
resolution: 224
model: builtin
targets:
  - batch_size: 8
    features:
      - text: a red circle on a blue background
    transforms:
      - random_shift: -.2 .2
`;

// name -> the text of a value, "" where there is none, null where it is more than a form can show. Null where the text
// is no YAML.
export function readFields(text) {
  const file = parseDocument(text, OPTIONS);
  if (file.errors.length) return null;
  return Object.fromEntries(Object.entries(PLACES).map(([name, path]) => [name, shown(nodeAt(file, path))]));
}

// The text with another value. An empty value takes the key away.
export function writeField(text, name, value) {
  const path = PLACES[name];
  const file = parseDocument(text, OPTIONS);
  if (file.errors.length) return text;
  const node = nodeAt(file, path);
  const given = name === "prompt" || !/^\d+$/.test(value) ? value : Number(value);
  if (value !== "" && isScalar(node) && node.range && !/^BLOCK/.test(node.type ?? "")) {
    const [start, end] = node.range;
    for (const written of [stringify(given, { ...OPTIONS, lineWidth: 0 }).trim(), JSON.stringify(given)]) {
      const changed = text.slice(0, start) + (start && text[start - 1] === ":" ? " " : "") + written + text.slice(end);
      const after = parseDocument(changed, OPTIONS);
      if (!after.errors.length && nodeAt(after, path)?.value === given) return changed;
    }
  }
  if (value === "") file.deleteIn(path);
  else file.setIn(path, given);
  return file.toString({ lineWidth: 0 });
}

function nodeAt(file, path) {
  try {
    return file.getIn(path, true);
  } catch {
    return undefined; // the path leads through what is no list or mapping
  }
}

function shown(node) {
  if (node === undefined || node === null) return "";
  if (isScalar(node)) return node.value === null ? "" : (node.source ?? String(node.value));
  const items = node.items ?? [];
  const plain = items.length === 2 && items.every((item) => isScalar(item) && typeof item.value === "number");
  return plain ? items.map((item) => item.value).join(" ") : null;
}
