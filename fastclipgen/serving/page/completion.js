// What may be written at a place of a YAML text, out of the JSON Schema of experiments.

const KEY = /^(\s*)((?:-\s+)*)(?:([\w./-]+)\s*:)?/;

// The path that leads to a line, "[]" being an item of a list.
export function pathAt(lines, last) {
  const open = []; // keys and items that the line stands in, each with its column
  lines.slice(0, last + 1).forEach((line, number) => {
    if (number < last && (!line.trim() || line.trim().startsWith("#"))) return;
    const [, blanks, dashes, key] = KEY.exec(line);
    const column = blanks.length;
    // a list may stand at the column of its own key
    const over = (one) => one.column > column || (one.column === column && (!dashes || one.item));
    while (open.length && over(open.at(-1))) open.pop();
    for (let place = 0; place < dashes.length; place += 2) open.push({ column: column + place, item: true });
    if (number < last && key) open.push({ column: column + dashes.length, key });
  });
  return open.map((one) => (one.item ? "[]" : one.key));
}

// Schemas that apply at a path: alternatives are all followed.
export function schemasAt(schema, path) {
  let found = spread(schema, schema);
  for (const step of path) {
    found = found.flatMap((one) => {
      const next = step === "[]" ? one.items : (one.properties?.[step] ?? additional(one));
      return next ? spread(schema, next) : [];
    });
  }
  return found;
}

// Keys, or values behind a key, that fit the place: [{label, detail, info, apply}].
export function suggestions(schema, text, line, before) {
  const lines = text.split("\n");
  const path = pathAt(lines, line);
  const value = /^\s*(?:-\s+)*([\w./-]+)\s*:\s+\S*$/.exec(before);
  if (value) return values(schemasAt(schema, [...path, value[1]]));
  const options = new Map();
  for (const one of schemasAt(schema, path)) {
    for (const [name, what] of Object.entries(one.properties ?? {})) {
      const full = spread(schema, what);
      const fallback = full.find((each) => each.default !== undefined)?.default;
      const info = full.find((each) => each.description)?.description;
      const deep = full.some((each) => each.properties || each.items);
      const detail = fallback === undefined ? "" : String(fallback);
      options.set(name, { label: name, type: "property", detail, info, apply: deep ? `${name}:` : `${name}: ` });
    }
  }
  return [...options.values()];
}

function values(schemas) {
  const options = schemas.flatMap((one) => [...(one.enum ?? []), ...("const" in one ? [one.const] : [])]);
  const fallback = schemas.find((one) => one.default !== undefined)?.default;
  if (fallback !== undefined && typeof fallback !== "object") options.push(fallback);
  if (schemas.some((one) => [one.type].flat().includes("boolean"))) options.push(true, false);
  const labels = new Set(options.filter((one) => one !== null && typeof one !== "object").map(String));
  return [...labels].map((label) => ({ label, type: "constant" }));
}

function additional(schema) {
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

function spread(root, schema) {
  if (schema.$ref) {
    const target = schema.$ref.split("/").slice(1).reduce((one, name) => one[name], root);
    return spread(root, target);
  }
  return [schema, ...(schema.anyOf ?? []).flatMap((one) => spread(root, one))];
}
