// The runs of the server with their pictures and settings, the newest first.

import { file, get } from "./api.js";

export class History {
  // opened(run): called for a run that is to be shown in a tab.
  constructor(root, opened) {
    [this.list, this.older, this.opened] = [root.querySelector("ul"), root.querySelector("[name=older]"), opened];
    this.older.addEventListener("click", () => this.page(this.next));
  }

  async show() {
    this.list.replaceChildren();
    await this.page(null);
  }

  async page(before) {
    const { runs, next } = await get(`/api/runs?limit=24${before ? `&before=${before}` : ""}`);
    this.next = next;
    this.older.hidden = next === null;
    this.list.append(...runs.map((run) => this.entry(run)));
  }

  entry(run) {
    const made = document.createElement("li");
    const add = (tag, values = {}) => made.appendChild(Object.assign(document.createElement(tag), values));
    const image = add("img", { alt: `picture of ${nameOf(run)}`, hidden: true });
    add("p", { textContent: nameOf(run) });
    const when = new Date(run.created * 1000).toLocaleString();
    add("p", { textContent: `${run.state}, ${when}, seed ${run.settings.seed}`, className: "faint" });
    if (run.error) add("p", { textContent: run.error, className: "faint" });
    const details = add("details");
    details.append(Object.assign(document.createElement("summary"), { textContent: "Settings" }));
    const text = run.experiment ?? JSON.stringify(run.settings, null, 1);
    details.append(Object.assign(document.createElement("pre"), { textContent: text }));
    if (run.experiment !== null) {
      add("button", { type: "button", textContent: "Open" }).addEventListener("click", () => this.opened(run));
    }
    thumbnail(image, `/api/runs/${run.id}/picture`);
    return made;
  }
}

export const nameOf = (run) => run.title || run.pictures[0]?.prompt || run.settings.prompts?.[0] || `run ${run.number}`;

export async function thumbnail(image, path) {
  const found = await file(path).catch(() => null); // there may be none
  if (!found) return;
  image.src = URL.createObjectURL(found.blob);
  image.hidden = false;
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
}
