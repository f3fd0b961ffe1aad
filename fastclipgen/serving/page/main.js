// The page: parts put together, buttons and keys.

import { Refused, file, get, send, setToken } from "./api.js";
import { Batches } from "./batches.js";
import { Compare } from "./compare.js";
import { Editor } from "./editor.js";
import { Figures } from "./figures.js";
import { Form } from "./form.js";
import { History, nameOf } from "./history.js";
import { Log } from "./log.js";
import { settingsOf } from "./png.js";
import { FIRST } from "./recipe.js";
import { OVER, RunView } from "./run.js";
import { Status } from "./status.js";
import { Tabs } from "./tabs.js";
import { Viewer } from "./viewer.js";

const $ = (selector) => document.querySelector(selector);
const log = new Log($("#log"));
const status = new Status();
const editor = new Editor($("#editor"), () => edited());
const form = new Form($(".recipe form"), {
  text: () => editor.text,
  write: (text) => {
    editor.change(text);
    edited();
  },
});
const viewer = new Viewer($(".picture"));
const view = new RunView({
  viewer,
  figures: new Figures($(".figures")),
  changed: (run, progress) => status.show(run, progress, run !== null && run.experiment !== editor.text),
  said: (text, kind) => log.say(text, kind),
  lost: (whether) => ($("#lost").hidden = !whether),
});
const compare = new Compare($("[name=compare]"), viewer, view);
const tabs = new Tabs($("[role=tablist]"), (tab) => {
  editor.open(tab.text);
  read();
  compare.clear();
  doing(() => view.open(tab.run));
});
const history = new History($("#history"), (run) => {
  tabs.add(nameOf(run).slice(0, 30), run.experiment, run.id);
  tabs.keep();
  page("experiment");
});

const batches = new Batches($("#batches"));

let checking;

// The text of the open tab has changed.
function edited() {
  tabs.open.text = editor.text;
  tabs.keep();
  read();
  if (view.run) status.show(view.run, view.progress, view.run.experiment !== editor.text);
}

function read() {
  form.read(editor.text);
  clearTimeout(checking);
  checking = setTimeout(() => doing(check), 300);
}

async function check() {
  const text = editor.text;
  const found = await send("POST", "/api/experiments/check", { text });
  if (text !== editor.text) return;
  editor.show(found);
  status.checked(found);
}

async function start() {
  const title = tabs.open.title;
  const run = await send("POST", "/api/experiments", { text: editor.text, title });
  tabs.open.run = run.id;
  tabs.keep();
  log.say(`started as run ${run.number}`);
  await view.open(run.id);
}

async function save() {
  const { png, yaml } = await view.save();
  const files = [];
  for (const name of [png, yaml]) {
    const { blob } = await file(`/api/runs/${view.id}/files/${name}`);
    files.push({ name, url: URL.createObjectURL(blob) });
  }
  log.say(`saved in the folder ${view.id}:`, "", files);
}

async function look() {
  $("#seen").textContent = "waiting for the next step …";
  const { blob, headers } = await view.views().finally(() => ($("#seen").textContent = ""));
  const image = $(".views img");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.hidden = false;
  $("#seen").textContent = `${headers.get("X-Frames")} frames of step ${headers.get("X-Step")}`;
}

async function drop(dropped) {
  for (const one of dropped) {
    const text = one.type === "image/png" ? (await settingsOf(one)).experiment : await one.text();
    if (typeof text !== "string") throw new Error(`${one.name} was not made from YAML; use fastclipgen info to read it`);
    tabs.add(one.name.replace(/\.\w+$/, ""), text);
    tabs.keep();
  }
}

function page(name) {
  for (const part of document.querySelectorAll("[data-shown]")) part.hidden = part.dataset.shown !== name;
  for (const button of document.querySelectorAll("[data-page]")) {
    button.toggleAttribute("aria-current", button.dataset.page === name);
  }
  if (name === "history") doing(() => history.show());
  if (name === "batches") doing(() => batches.show());
}

// Runs what a user asked for; what is refused is told.
async function doing(what) {
  try {
    await what();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) $("#token").showModal();
    log.say(error.message, "error");
  }
}

const actions = {
  start,
  save,
  views: look,
  update: () => view.update(editor.text),
  stop: () => view.ask("cancel"),
  pause: () => view.ask("pause"),
  resume: () => view.ask("resume"),
  new: () => {
    tabs.add(`experiment ${tabs.list.length + 1}`, FIRST);
    tabs.keep();
  },
};
document.addEventListener("click", (event) => {
  const { name, dataset } = event.target.closest("button") ?? { dataset: {} };
  if (dataset.page) page(dataset.page);
  else if (actions[name]) doing(actions[name]);
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey)) return;
  const wanted = { s: "save", Enter: view.over ? "start" : "update" }[event.key];
  if (!wanted) return;
  event.preventDefault();
  if (!$(`[name=${wanted}]`).disabled) doing(actions[wanted]);
});
$("[name=index]").addEventListener("change", (event) => view.choose(Number(event.target.value)));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  doing(() => drop([...event.dataTransfer.files]));
});
$("#token form").addEventListener("submit", (event) => {
  setToken(event.target.token.value);
  location.reload();
});

// What the server has: files from its command line, runs that go on, the grammar.
await doing(async () => {
  const { files, batches } = await get("/api/studio");
  $("[data-page=batches]").hidden = !batches;
  const { runs } = await get("/api/runs?limit=50");
  for (const { name, text } of files) if (!tabs.has(name)) tabs.list.push({ title: name, text, run: null });
  for (const run of runs) {
    const known = tabs.list.some((tab) => tab.run === run.id);
    if (run.experiment !== null && !known && !OVER.includes(run.state)) {
      tabs.list.push({ title: nameOf(run), text: run.experiment, run: run.id });
    }
  }
  const there = new Set(runs.map((run) => run.id));
  for (const tab of tabs.list) if (tab.run && runs.length < 50 && !there.has(tab.run)) tab.run = null;
  editor.schema = await get("/api/experiments/schema");
  for (const name of editor.schema.properties.generator.anyOf[0].anyOf?.[0]?.enum ?? []) {
    $("#generators").append(Object.assign(document.createElement("option"), { value: name }));
  }
});
if (!tabs.list.length) tabs.list.push({ title: "experiment 1", text: FIRST, run: null });
tabs.show(0);
tabs.keep();
status.server();
