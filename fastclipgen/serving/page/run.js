// The run of the open tab: its events, its live picture and what may be done to it now.

import { file, follow, get, send } from "./api.js";

export const OVER = ["done", "cancelled", "failed"];

export class RunView {
  // viewer, figures: where things are shown; changed(run, progress), said(line, kind), lost(whether) tell the page.
  constructor({ viewer, figures, changed, said, lost }) {
    Object.assign(this, { viewer, figures, changed, said, lost });
    this.run = null;
    this.stop = null;
    document.addEventListener("visibilitychange", () => this.stop && this.look());
  }

  // Shows another run, or none. Runs go on whether they are shown or not.
  async open(id) {
    this.stop?.abort();
    const stop = (this.stop = new AbortController());
    this.run = this.progress = this.tag = null;
    this.index = 0;
    this.figures.begin([]);
    this.viewer.show("below", null);
    this.changed(null, null);
    if (!id) return;
    this.id = id;
    const { points } = await get(`/api/runs/${id}/figures`);
    if (stop.signal.aborted) return;
    this.figures.begin(points);
    follow(id, (kind, data) => stop.signal.aborted || this.heard(kind, data), stop.signal, this.lost).catch((error) =>
      this.said(error.message, "error"),
    );
  }

  get over() {
    return !this.run || OVER.includes(this.run.state);
  }

  heard(kind, data) {
    if (kind === "run") {
      this.run = data;
      this.progress = data.progress;
      if (data.error) this.said(data.error, "error");
    } else if (kind === "state") this.run.state = data.state;
    else if (kind === "progress") this.progress = data;
    else if (kind === "figures") this.figures.add(data);
    else if (kind === "notice") this.said(data.text);
    else if (kind === "updated") {
      if (data.error) this.said(`not updated: ${data.error}`, "error");
      else this.said(`updated at step ${this.progress?.step ?? 0}`);
      if (!data.error) this.run.experiment = data.experiment;
    } else if (kind === "picture") this.said(`picture ${data.index} is finished`);
    this.changed(this.run, this.progress);
    if (kind !== "figures" && kind !== "notice") this.look(); // the server tells progress ten times a second at most
  }

  // Another picture of the run.
  choose(index) {
    this.index = index;
    this.tag = null;
    this.look();
  }

  // The newest picture, after whatever may have changed it; one request at a time, and one that is known costs nothing.
  async look() {
    this.wanted = true;
    if (this.looking || document.hidden || !(this.progress?.done || this.run?.pictures.length || this.tag)) return;
    this.looking = true;
    const { signal } = this.stop;
    while (this.wanted && !signal.aborted) {
      this.wanted = false;
      const path = `/api/runs/${this.id}/picture?index=${this.index}`;
      const found = await file(path, this.tag).catch(() => null); // the stream says whether the server is lost
      if (found && !signal.aborted) {
        this.tag = found.tag;
        await this.viewer.show("below", found.blob, `picture ${this.index} at step ${this.progress?.step ?? "last"}`);
      }
    }
    this.looking = false;
    if (signal.aborted) this.look(); // another run was opened meanwhile
  }

  // pause, resume or cancel. The answer says how the run was then; the stream, which may be quicker, how it is now.
  async ask(what) {
    const { signal } = this.stop;
    const told = await send("POST", `/api/runs/${this.id}/${what}`);
    if (signal.aborted || this.over) return;
    this.run = told;
    this.changed(this.run, this.progress);
  }

  update(text) {
    return send("PUT", `/api/runs/${this.id}/experiment`, { text });
  }

  save() {
    return send("POST", `/api/runs/${this.id}/save?index=${this.index}`);
  }

  views() {
    return file(`/api/runs/${this.id}/views?index=${this.index}`);
  }
}
