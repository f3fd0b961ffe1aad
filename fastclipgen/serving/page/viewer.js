// The picture: fitted, zoomed or side by side with itself, and another one over it up to a slider.

const KEPT = 2000; // ms that a picture stays after the next one has come: it may be on its way to the screen

export class Viewer {
  constructor(root) {
    this.stage = root.querySelector(".stage");
    this.below = root.querySelector(".below");
    this.above = root.querySelector(".above");
    this.zoom = root.querySelector("[name=zoom]");
    this.fit = root.querySelector("[name=fit]");
    this.tiles = root.querySelector("[name=tiles]");
    this.slider = root.querySelector("[name=reveal]");
    this.shown = { below: null, above: null }; // {url, width, height}
    this.fitted = true; // until a zoom is asked for
    this.fit.addEventListener("click", () => this.size(true));
    this.zoom.addEventListener("input", () => this.size(false));
    for (const control of [this.tiles, this.slider]) control.addEventListener("input", () => this.draw());
    new ResizeObserver(() => this.fitted && this.draw()).observe(this.stage);
  }

  // layer: "below", the picture itself, or "above", the one to compare it with; blob null: none. told: for people.
  async show(layer, blob, told = "") {
    const before = this.shown[layer];
    let made = null;
    if (blob) {
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      made = { url: image.src, width: image.naturalWidth, height: image.naturalHeight };
    }
    this.shown[layer] = made;
    if (layer === "below") this.below.setAttribute("aria-label", made ? told : "no picture yet");
    this.draw();
    if (before) setTimeout(() => URL.revokeObjectURL(before.url), KEPT);
  }

  // Fitted into the page, or as large as the zoom says.
  size(fitted) {
    this.fitted = fitted;
    this.draw();
  }

  fitting() {
    const one = this.shown.below;
    if (!one) return 100;
    const room = Math.min(this.stage.clientWidth / one.width, this.stage.clientHeight / one.height);
    return Math.max(10, Math.floor((100 * room) / Number(this.tiles.value)));
  }

  draw() {
    const size = this.shown.below;
    this.stage.classList.toggle("empty", !size);
    this.slider.parentElement.hidden = !this.shown.above || !size;
    if (this.fitted) this.zoom.value = this.fitting();
    const scale = Number(this.zoom.value) / 100;
    const count = Number(this.tiles.value);
    for (const layer of ["below", "above"]) {
      const [element, image] = [this[layer], this.shown[layer]];
      element.hidden = !image || !size;
      if (element.hidden) continue;
      const [width, height] = [size.width * scale, size.height * scale];
      element.style.width = `${width * count}px`;
      element.style.height = `${height * count}px`;
      element.style.backgroundImage = `url("${image.url}")`;
      element.style.backgroundSize = `${width}px ${height}px`;
      element.style.imageRendering = scale > 1.5 ? "pixelated" : "auto";
    }
    this.above.style.clipPath = `inset(0 ${100 - Number(this.slider.value)}% 0 0)`;
  }
}
