// The figures of a run: loss, rate and speed, and what every target and feature came to.

import { colourOf, plot, short } from "./plot.js";

export class Figures {
  constructor(root) {
    this.root = root;
    this.table = root.querySelector("tbody");
    this.points = [];
    this.asked = false;
    new ResizeObserver(() => this.redraw()).observe(root);
  }

  // All figures so far, in order.
  begin(points) {
    this.points = points;
    this.redraw();
  }

  add(point) {
    this.points.push(point);
    this.redraw();
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    for (const name of ["loss", "rate", "speed"]) {
      const line = this.points.map((point) => [point.step, point[name] ?? null]);
      plot(this.root.querySelector(`canvas[data-of=${name}]`), [line]);
      const newest = this.points.findLast((point) => point[name] !== null && point[name] !== undefined);
      this.root.querySelector(`output[data-of=${name}]`).value = newest ? short(newest[name]) : "–";
    }
    const looked = this.points.filter((point) => point.rows?.length);
    const names = new Map(); // "kind name" -> its points
    for (const point of looked) {
      for (const row of point.rows) {
        const key = `${row.kind} ${row.name}`;
        if (!names.has(key)) names.set(key, { row, points: [] });
        names.get(key).points.push([point.step, row.value]);
      }
    }
    const features = [...names.values()].filter(({ row }) => row.kind === "feature");
    plot(this.root.querySelector("canvas[data-of=similarity]"), features.map(({ points }) => points));
    this.table.replaceChildren(...[...names.values()].map((one) => this.rowOf(one, features.indexOf(one))));
  }

  rowOf({ row, points }, place) {
    const made = document.createElement("tr");
    const [kind, name, value] = ["td", "td", "td"].map((tag) => made.appendChild(document.createElement(tag)));
    kind.textContent = row.kind;
    name.textContent = row.name;
    if (place >= 0) name.style.color = colourOf(place);
    value.textContent = short(points.at(-1)[1]);
    return made;
  }
}
