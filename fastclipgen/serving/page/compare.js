// What the picture is compared with: its own start, or the picture of another run.

import { file, get } from "./api.js";
import { nameOf } from "./history.js";

export class Compare {
  constructor(select, viewer, view) {
    Object.assign(this, { select, viewer, view });
    select.addEventListener("change", () => this.choose());
    select.addEventListener("focus", () => this.fill());
  }

  clear() {
    this.select.value = "";
    this.viewer.show("above", null);
  }

  // The runs that there are now.
  async fill() {
    const { runs } = await get("/api/runs?limit=50");
    const value = this.select.value;
    const others = runs.filter((run) => run.id !== this.view.id && run.pictures.length);
    this.select.replaceChildren(
      new Option("nothing", ""),
      ...(this.view.progress || this.view.run?.pictures.length ? [new Option("the start", "start")] : []),
      ...others.map((run) => new Option(`${run.number}: ${nameOf(run)}`, run.id)),
    );
    this.select.value = value;
  }

  async choose() {
    const { value } = this.select;
    if (!value) return this.clear();
    const { id, index } = this.view;
    const path = value === "start" ? `/api/runs/${id}/picture?index=${index}&start=true` : `/api/runs/${value}/picture`;
    const found = await file(path).catch(() => null);
    if (!found) return this.clear();
    await this.viewer.show("above", found.blob);
  }
}
