// The line beside the buttons, which buttons there are, and what the check of the text said.

import { get } from "./api.js";
import { OVER } from "./run.js";

const EVERY = 3000; // ms between looks at the queue

export class Status {
  constructor() {
    const $ = (selector) => document.querySelector(selector);
    this.buttons = Object.fromEntries(
      ["start", "pause", "resume", "update", "stop", "save", "views"].map((name) => [name, $(`[name=${name}]`)]),
    );
    [this.line, this.progress, this.mistake, this.summary] = ["#state", "progress", "#mistake", "#summary"].map($);
    [this.editor, this.which, this.queue] = ["#editor", "#which", "#server"].map($);
    this.wrong = false;
  }

  // edited: whether the text is another than that of the run.
  show(run, progress, edited) {
    const over = !run || OVER.includes(run.state);
    const paused = run?.state === "paused";
    Object.assign(this.now ??= {}, { over, edited });
    this.buttons.pause.hidden = paused;
    this.buttons.resume.hidden = !paused;
    for (const name of ["pause", "resume", "stop"]) this.buttons[name].disabled = over;
    this.buttons.save.disabled = !run || (!progress && !run.pictures.length);
    this.buttons.views.disabled = over || run.state !== "running";
    this.allow();
    this.line.textContent = run ? sentence(run, progress) : "";
    const done = run?.state === "done" ? 1 : 0;
    this.progress.value = progress?.total ? Math.max(done, progress.done / progress.total) : done;
    this.choose(run, progress);
  }

  checked({ error, line, path, prompt, epochs, pictures }) {
    this.wrong = error !== null;
    const where = [line && `line ${line}`, path].filter(Boolean).join(", ");
    this.mistake.textContent = error ? [where, error].filter(Boolean).join(": ") : "";
    this.summary.textContent = error ? "" : `${epochs} steps, ${pictures === 1 ? "1 picture" : `${pictures} pictures`}: ${prompt}`;
    this.editor.classList.toggle("wrong", this.wrong);
    this.allow();
  }

  allow() {
    const { over = true, edited = false } = this.now ?? {};
    this.buttons.start.disabled = !over || this.wrong;
    this.buttons.update.disabled = over || this.wrong || !edited;
    this.buttons.update.classList.toggle("fresh", edited);
  }

  // The pictures of a run, where it has several.
  choose(run, progress) {
    const count = Math.max(run?.pictures.length ?? 0, progress?.losses.length ?? 0);
    const select = this.which.querySelector("select");
    this.which.hidden = count < 2;
    while (select.length > count) select.remove(select.length - 1);
    while (select.length < count) select.add(new Option(String(select.length), String(select.length)));
  }

  // Tells again and again how many runs wait.
  async server() {
    const told = await get("/api").catch(() => null);
    const many = told && (told.waiting === 1 ? "1 run waits" : `${told.waiting} runs wait`);
    this.queue.textContent = told ? `${told.running ? "drawing" : "idle"}${told.waiting ? `, ${many}` : ""}` : "";
    setTimeout(() => this.server(), EVERY);
  }
}

function sentence(run, progress) {
  if (run.state === "queued") return run.ahead ? `waits for ${run.ahead} others` : "next in the queue";
  if (OVER.includes(run.state) || !progress) return run.state;
  const eta = progress.eta === null ? "" : `, ${duration(progress.eta)} left`;
  return `${run.state}, step ${progress.step} of ${progress.steps}${eta}`;
}

function duration(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
