// The tabs: each a text and the run that was started of it last. They are kept in the browser.

const KEPT = "fastclipgen tabs";

export class Tabs {
  // opened(tab): called when another tab is to be shown.
  constructor(root, opened) {
    [this.root, this.opened] = [root, opened];
    this.list = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    this.place = 0;
    root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.role === "tab") {
        this.show((this.place + step + this.list.length) % this.list.length);
        root.querySelector("[aria-selected=true]").focus();
      }
    });
  }

  get open() {
    return this.list[this.place];
  }

  // A new tab, or the one that has this run already.
  add(title, text, run = null) {
    let place = run ? this.list.findIndex((tab) => tab.run === run) : -1;
    if (place < 0) place = this.list.push({ title, text, run }) - 1;
    this.show(place);
  }

  has(title) {
    return this.list.some((tab) => tab.title === title);
  }

  show(place) {
    this.place = place;
    this.draw();
    this.opened(this.open);
  }

  close(place) {
    this.list.splice(place, 1);
    if (this.list.length) this.show(Math.max(0, Math.min(place <= this.place ? this.place - 1 : this.place, this.list.length - 1)));
    this.keep();
  }

  // After the open tab has changed.
  keep() {
    localStorage.setItem(KEPT, JSON.stringify(this.list));
    this.draw();
  }

  draw() {
    const made = this.list.map((tab, place) => {
      const holder = document.createElement("span");
      holder.className = "tab";
      const button = holder.appendChild(document.createElement("button"));
      Object.assign(button, { role: "tab", type: "button", textContent: tab.title, tabIndex: place === this.place ? 0 : -1 });
      button.setAttribute("aria-selected", String(place === this.place));
      button.setAttribute("aria-controls", "experiment");
      button.addEventListener("click", () => this.show(place));
      if (this.list.length > 1) {
        const close = holder.appendChild(document.createElement("button"));
        Object.assign(close, { type: "button", textContent: "×", className: "close" });
        close.setAttribute("aria-label", `close ${tab.title}`);
        close.addEventListener("click", () => this.close(place));
      }
      return holder;
    });
    const focused = this.root.contains(document.activeElement) && document.activeElement.role === "tab";
    this.root.replaceChildren(...made);
    if (focused) this.root.querySelector("[aria-selected=true]")?.focus();
  }
}
