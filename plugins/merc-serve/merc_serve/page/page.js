// The page: which run answers, whether a recording or a live talk is given, and what one does with the result.

import { Live } from "./live.js";
import { $, coloured, fail, listed, make } from "./parts.js";
import { Recording } from "./recording.js";
import { ask } from "./server.js";

const TABS = ["recording", "live"];

class Page {
  constructor() {
    this.run = null;
    this.result = null;
    this.recording = new Recording(this);
    this.live = new Live(this);
  }

  async showRuns() {
    const { runs } = await ask("v1/runs");
    $("run").replaceChildren(...runs.map((name) => new Option(name, name)));
    $("runs").hidden = runs.length < 2;
    await this.showRun();
  }

  async showRun() {
    const run = (this.run = await ask(`v1/run?run=${encodeURIComponent($("run").value)}`));
    $("title").textContent = run.title;
    document.title = `${run.title} · merc`;
    $("about").textContent = run.description;
    $("about").hidden = !run.description;
    $("labels").replaceChildren(...run.labels.map((label) => make("li", {}, coloured(make("span", { className: "swatch" }), label, run.labels), label)));
    $("streams").textContent = run.streams.length ? listed(["words", ...run.streams]) : "words alone";
    const f1 = run.metrics.test?.weighted_f1;
    $("measured").textContent = f1 === undefined ? "Not measured: this run has no numbers of a test split." : `Weighted F1 on its test split: ${(100 * f1).toFixed(1)} of 100.`;
    $("run-note").textContent = run.note;
    $("run-note").hidden = !run.note;
    $("facts").hidden = $("inputs").hidden = false;
    this.recording.offer(run);
    this.live.offer(run);
  }

  // A live talk has begun or ended: meanwhile nothing else is asked.
  talking(on) {
    $("run").disabled = $("tab-recording").disabled = on;
  }

  // The server computes: meanwhile no live talk begins, whose result would replace the one to come.
  working(on) {
    $("run").disabled = $("tab-live").disabled = on;
  }
}

function choose(tab, focus = false) {
  for (const one of TABS) {
    const chosen = one === tab;
    $(one).hidden = !chosen;
    $(`tab-${one}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${one}`).tabIndex = chosen ? 0 : -1;
  }
  fail("");
  if (focus) $(`tab-${tab}`).focus();
}

function keys(event) {
  if (!page.result || /^(TEXTAREA|INPUT|SELECT|VIDEO)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (step) {
    event.preventDefault();
    page.result.go(page.result.current + step);
  }
}

async function begin() {
  try {
    await page.showRuns();
    $("key-field").hidden = true;
    fail("");
  } catch (error) {
    $("title").textContent = "No run yet";
    fail(error.message);
  }
}

const page = new Page();
for (const tab of TABS) {
  $(`tab-${tab}`).addEventListener("click", () => choose(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    const other = TABS.find((one) => one !== tab);
    if (/^Arrow(Left|Right)$/.test(event.key) && !$(`tab-${other}`).disabled) choose(other, true);
  });
}
choose(location.hash === "#live" ? "live" : "recording");
$("run").addEventListener("change", () => page.showRun().catch((error) => fail(error.message)));
$("key-field").addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
$("player").addEventListener("timeupdate", () => page.result?.follow());
document.addEventListener("keydown", keys);
for (const button of document.querySelectorAll("[data-export]")) button.addEventListener("click", () => page.result.save(button.dataset.export));
// A file may be dropped anywhere: a browser would leave the page for one that misses a small field.
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name !== "drop" || $("tab-recording").disabled || !event.dataTransfer.files.length) return;
    choose("recording");
    page.recording.choose([...event.dataTransfer.files]);
  });
}
begin();
