// The page: what a person gives goes to the server, and what comes back is shown. Everything of a user is set as text.

import { drawResult, markAt } from "./result.js";
import { save } from "./exports.js";

const $ = (id) => document.getElementById(id);
const state = { run: null, file: null, url: null, predictions: [], current: -1 };

function fail(message) {
  $("error").textContent = message;
  $("error").hidden = !message;
}

function headers() {
  const key = $("key").value;
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...(options.headers ?? {}) } });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    throw new Error(`The server answered ${response.status} without JSON.`);
  }
  if (response.status === 401) $("key-field").hidden = false;
  if (!response.ok) throw new Error(body.error ?? `The server answered ${response.status}.`);
  return body;
}

async function showRuns() {
  const { runs } = await ask("v1/runs");
  const select = $("run");
  select.replaceChildren(...runs.map((name) => new Option(name, name)));
  $("runs").hidden = runs.length < 2;
  await showRun();
}

async function showRun() {
  const name = $("run").value;
  state.run = await ask(`v1/run?run=${encodeURIComponent(name)}`);
  const run = state.run;
  $("title").textContent = run.title;
  document.title = `${run.title} · merc`;
  const streams = run.streams.length ? `words and ${run.streams.join(", ")}` : "words";
  const f1 = run.metrics.test?.weighted_f1;
  const measured = f1 === undefined ? "" : ` Weighted F1 on its test split: ${(100 * f1).toFixed(1)}.`;
  $("about").textContent = `Goes by ${streams}; answers ${run.labels.join(", ")}.${measured} ${run.note}`;
  $("words-hint").textContent = run.hears ? "(heard in a recording)" : run.needs_text ? "" : "(not needed with a recording)";
}

function choose(file) {
  if (state.url) URL.revokeObjectURL(state.url);
  state.file = file ?? null;
  state.url = file ? URL.createObjectURL(file) : null;
  const most = state.run?.limits.megabytes;
  if (!file) {
    $("chosen").textContent = "Nothing is chosen.";
  } else if (most && file.size > most * 2 ** 20) {
    state.file = null;
    $("chosen").textContent = `${file.name} is larger than the ${most} MiB that this server takes.`;
  } else {
    $("chosen").textContent = `${file.name}, ${(file.size / 2 ** 20).toFixed(1)} MiB`;
  }
}

// "Ann: You came!" is what Ann says; a line without a colon is said by nobody that we know.
function utterancesOf(words) {
  return words
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const parts = /^([^:]{1,40}):\s+(.*)$/.exec(line);
      return parts ? { speaker: parts[1], text: parts[2] } : { text: line };
    });
}

async function recognise() {
  const words = utterancesOf($("words").value);
  const query = `v1/predict?run=${encodeURIComponent($("run").value)}`;
  if (!state.file) {
    if (!words.length) throw new Error("Give a recording, or write what was said.");
    const body = JSON.stringify({ utterances: words });
    return ask(query, { method: "POST", body, headers: { "content-type": "application/json" } });
  }
  if (words.length > 1) {
    throw new Error("Written words make a recording one utterance: write them in one line, or leave them out.");
  }
  const form = new FormData();
  const [one] = words;
  if (one) for (const [name, value] of Object.entries(one)) form.append(name, value);
  else if (state.run.needs_text && !state.run.hears) form.append("text", "");
  form.append("media", state.file);
  return ask(query, { method: "POST", body: form });
}

async function submit(event) {
  event.preventDefault();
  fail("");
  $("go").disabled = true;
  $("status").textContent = "Working …";
  const start = performance.now();
  try {
    const { predictions } = await recognise();
    state.predictions = predictions;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    $("status").textContent = `${predictions.length} ${predictions.length === 1 ? "utterance" : "utterances"} in ${seconds} s`;
    await show();
  } catch (error) {
    $("status").textContent = "";
    fail(error.message);
  } finally {
    $("go").disabled = false;
  }
}

async function show() {
  const player = $("player");
  $("results").hidden = false;
  player.hidden = !state.file;
  if (state.file) {
    player.src = state.url;
    player.classList.toggle("sound", !state.file.type.startsWith("video/"));
  } else {
    player.removeAttribute("src");
  }
  $("srt").disabled = !state.predictions.some((one) => one.start !== undefined);
  $("srt").title = $("srt").disabled ? "Subtitles need the times of utterances" : "";
  await drawResult({ predictions: state.predictions, labels: state.run.labels, player, go });
  $("results").scrollIntoView({ block: "nearest" });
}

function go(number) {
  const count = state.predictions.length;
  state.current = Math.max(0, Math.min(count - 1, number));
  markAt(state.current);
  const { start } = state.predictions[state.current];
  const player = $("player");
  if (!player.hidden) {
    player.currentTime = start ?? 0;
    player.play().catch(() => {}); // a browser may want a click first
  }
}

function keys(event) {
  if (!state.predictions.length || /^(TEXTAREA|INPUT|SELECT|VIDEO)$/.test(event.target.tagName)) return;
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (step) {
    event.preventDefault();
    go(state.current + step);
  }
}

function follow() {
  const now = $("player").currentTime;
  const at = state.predictions.findIndex((one) => one.start !== undefined && one.start <= now && now < one.end);
  if (at >= 0 && at !== state.current) markAt((state.current = at));
}

$("form").addEventListener("submit", submit);
$("file").addEventListener("change", (event) => choose(event.target.files[0]));
$("run").addEventListener("change", () => showRun().catch((error) => fail(error.message)));
$("key").addEventListener("change", () => showRuns().then(() => fail(""), (error) => fail(error.message)));
$("player").addEventListener("timeupdate", follow);
document.addEventListener("keydown", keys);
for (const button of document.querySelectorAll("[data-export]")) {
  button.addEventListener("click", () => save(button.dataset.export, state.predictions, state.file?.name ?? "conversation"));
}
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name === "drop") choose(event.dataTransfer.files[0]);
  });
}
showRuns().catch((error) => fail(error.message));
