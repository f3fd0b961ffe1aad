// The pictures of a batch folder, filtered, and how far it has come while it is drawn.

import { file, get } from "./api.js";
import { thumbnail } from "./history.js";

const EVERY = 2000; // ms

export class Batches {
  constructor(root) {
    this.root = root;
    [this.names, this.state] = ["batch", "state"].map((name) => root.querySelector(`select[name=${name}]`));
    [this.find, this.status, this.list] = ["input", "output", "ul"].map((tag) => root.querySelector(tag));
    this.older = root.querySelector("[name=further]");
    for (const control of [this.names, this.state]) control.addEventListener("change", () => this.again());
    this.find.addEventListener("input", () => this.again());
    this.older.addEventListener("click", () => this.page());
    root.querySelector("[name=manifest]").addEventListener("click", () => this.download());
  }

  // Shows what there is now, and goes on as long as the page does.
  async show() {
    await this.look();
    await this.again();
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      if (this.root.hidden) clearInterval(this.timer);
      else this.look().catch(() => {}); // the next look may find the server again
    }, EVERY);
  }

  get path() {
    return `/api/batches/${encodeURIComponent(this.names.value)}`;
  }

  // How far the batches are; what is new of the one that is shown is added.
  async look() {
    const found = await get("/api/batches");
    if (found.length !== this.names.length) {
      const { value } = this.names;
      this.names.replaceChildren(...found.map(({ name }) => new Option(name === "." ? "(this folder)" : name, name)));
      if (value) this.names.value = value;
    }
    const one = found.find(({ name }) => name === this.names.value);
    if (!one) return void (this.status.value = "no batch has been begun here");
    const speed = one.per_minute === null ? "" : `, ${one.per_minute.toFixed(1)} a minute`;
    const failed = one.failed ? `, ${one.failed} failed` : "";
    this.status.value = `${one.done} of ${one.total} pictures${failed}${speed}`;
    if (this.done !== undefined && this.done !== one.done + one.failed) await this.again();
    this.done = one.done + one.failed;
  }

  // Everything anew, as many as are shown.
  async again() {
    if (!this.names.value) return;
    const limit = Math.max(48, Math.min(200, this.list.children.length));
    await this.page(limit, true);
  }

  async page(limit = 48, fresh = false) {
    const query = new URLSearchParams({ find: this.find.value, limit, after: fresh ? 0 : this.next });
    if (this.state.value) query.set("state", this.state.value);
    const { items, next } = await get(`${this.path}?${query}`);
    const made = items.map((item) => this.entry(item));
    if (fresh) this.list.replaceChildren(...made);
    else this.list.append(...made);
    this.next = next;
    this.older.hidden = next === null;
  }

  entry(item) {
    const made = document.createElement("li");
    const add = (tag, values) => made.appendChild(Object.assign(document.createElement(tag), values));
    if (item.state === "done") thumbnail(add("img", { alt: item.prompt, hidden: true }), `${this.path}/pictures/${item.number}`);
    add("p", { textContent: item.prompt });
    const loss = item.loss === null ? "" : `, loss ${item.loss.toFixed(3)}`;
    add("p", { className: "faint", textContent: `${item.state}, seed ${item.seed}${loss}` });
    if (item.error) add("p", { className: "faint", textContent: item.error });
    return made;
  }

  async download() {
    const { blob } = await file(`${this.path}/manifest`);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "manifest.jsonl" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
}
