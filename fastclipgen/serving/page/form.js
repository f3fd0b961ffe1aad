// The form beside the editor: the same values, in step with the text both ways.

import { readFields, writeField } from "./recipe.js";

export class Form {
  // text(): the text now; write(text): it has another value.
  constructor(root, { text, write }) {
    this.fields = Object.fromEntries([...root.querySelectorAll("input")].map((field) => [field.name, field]));
    root.addEventListener("submit", (event) => event.preventDefault());
    root.addEventListener("input", (event) => write(writeField(text(), event.target.name, event.target.value.trim())));
  }

  // After the text has changed. While it is no YAML the form waits.
  read(text) {
    const found = readFields(text);
    for (const [name, field] of Object.entries(this.fields)) {
      field.disabled = !found || found[name] === null;
      field.title = found?.[name] === null ? "more than one value: see the text" : "";
      if (found && field !== document.activeElement && field.getRootNode().activeElement !== field) {
        field.value = found[name] ?? "";
      }
    }
  }
}
