"use strict";

const $ = (id) => document.getElementById(id);
const state = { rater: "", set: null, at: 0, item: null, question: 0, saving: Promise.resolve(), unsaved: 0 };

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

async function ask(path, body) {
  const url = `${path}?rater=${encodeURIComponent(state.rater)}`;
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(url, options);
  const value = await response.json();
  if (!response.ok) throw new Error(value.error || `the server answered ${response.status}`);
  return value;
}

function say(text, failed = false) {
  $("saved").textContent = text;
  $("saved").className = failed ? "failed" : "";
}

async function begin(event) {
  event.preventDefault();
  state.rater = $("name").value.trim();
  if (!state.rater) return;
  try {
    state.set = await ask("/api/set");
  } catch (error) {
    say(error.message, true);
    return;
  }
  localStorage.setItem("merc-review-rater", state.rater);
  $("title").textContent = `${state.set.title}: review by ${state.rater}`;
  buildQuestions();
  $("enter").hidden = true;
  $("review").hidden = false;
  const open = state.set.items.findIndex((one) => !one.done);
  await show(open < 0 ? 0 : open);
}

function buildQuestions() {
  const { questions, least, most, labels } = state.set;
  for (const [name, question] of Object.entries(questions)) {
    const field = element("fieldset", undefined, { "data-question": name });
    field.append(element("legend", question));
    const scale = element("div", undefined, { class: "scale" });
    const values = [["null", "–"]];
    for (let value = least; value <= most; value += 1) values.push([String(value), String(value)]);
    for (const [value, text] of values) {
      const label = element("label");
      const radio = element("input", undefined, { type: "radio", name, value });
      if (value === "null") radio.setAttribute("aria-label", "cannot be told");
      radio.addEventListener("change", () => answer(name, value));
      label.append(radio, element("span", text));
      scale.append(label);
    }
    field.append(scale);
    $("questions").append(field);
  }
  $("own-label").append(element("option", "(as it is)", { value: "" }));
  for (const label of labels) $("own-label").append(element("option", label, { value: label }));
}

async function show(at) {
  await state.saving;
  let item;
  try {
    item = await ask(`/api/item/${at}`);
  } catch (error) {
    say(error.message, true);
    return;
  }
  Object.assign(state, { at, item, question: 0 });
  state.review = item.review || { answers: {}, label: null, description: null, note: null };
  $("progress").textContent = progress();
  $("previous").disabled = at === 0;
  $("next").disabled = at === state.set.items.length - 1;
  $("who").textContent = `${item.speaker || "Speaker not known"} · ${item.id}`;
  $("text").textContent = item.text || "(no words)";
  $("label").textContent = item.label || "none";
  $("source").textContent = item.label_source ? `from: ${item.label_source}${item.uncertain ? ", uncertain" : ""}` : "";
  list("clues", Object.entries(item.clues), (name, text) => [element("dt", name.replaceAll("_", " ")), element("dd", text)]);
  list("steps", item.rationale.map((text) => [text]), (text) => [element("li", text)]);
  list("conflicts", item.conflicts.map((text) => [text]), (text) => [element("li", text)]);
  $("conflict-part").hidden = !item.conflicts.length;
  $("description").textContent = item.description || "none";
  $("edit").value = state.review.description || "";
  $("note").value = state.review.note || "";
  $("own-label").value = state.review.label || "";
  showMedia();
  showAnswers();
}

function list(id, rows, make) {
  $(id).replaceChildren(...rows.flatMap((row) => make(...row)));
}

function showMedia() {
  const { item } = state;
  const video = $("video");
  const there = item.media.video || item.media.audio;
  video.hidden = !there;
  $("no-media").hidden = there;
  $("peak").hidden = true;
  if (!there) {
    video.removeAttribute("src");
    return;
  }
  const span = item.start === null ? "" : `#t=${item.start}${item.end === null ? "" : `,${item.end}`}`;
  video.src = `/api/media/${state.at}${span}`;
  if (item.media.video && item.stills.length) showStill(item.stills[0]);
}

function showStill(time) {
  const at = state.at;
  const hidden = document.createElement("video");
  hidden.muted = true;
  hidden.src = `/api/media/${at}`;
  hidden.addEventListener("loadedmetadata", () => { hidden.currentTime = (state.item.start || 0) + time; });
  hidden.addEventListener("seeked", () => {
    if (state.at !== at || !hidden.videoWidth) return;
    const canvas = $("still");
    canvas.width = hidden.videoWidth;
    canvas.height = hidden.videoHeight;
    canvas.getContext("2d").drawImage(hidden, 0, 0);
    canvas.setAttribute("aria-label", `the frame at ${time.toFixed(1)} seconds`);
    $("still-text").textContent = `Peak frame, ${time.toFixed(1)} s in`;
    $("peak").hidden = false;
  });
}

function showAnswers() {
  const fields = [...$("questions").children];
  fields.forEach((field, number) => {
    const name = field.dataset.question;
    field.classList.toggle("current", number === state.question);
    const value = name in state.review.answers ? String(state.review.answers[name]) : undefined;
    for (const radio of field.querySelectorAll("input")) radio.checked = radio.value === value;
  });
}

function progress() {
  const { items } = state.set;
  const done = items.filter((one) => one.done).length;
  return `clip ${state.at + 1} of ${items.length}, ${done} done`;
}

function answer(name, value) {
  state.review.answers[name] = value === "null" ? null : Number(value);
  const names = Object.keys(state.set.questions);
  state.question = Math.min(names.indexOf(name) + 1, names.length - 1);
  showAnswers();
  save();
}

function save() {
  const { review, item, at } = state;
  const body = {
    id: item.id, answers: { ...review.answers }, label: review.label, description: review.description, note: review.note,
  };
  state.unsaved += 1;
  state.saving = state.saving.then(async () => {
    try {
      await ask("/api/review", body);
      state.set.items[at].done = Object.keys(state.set.questions).every((name) => name in body.answers);
      say("saved");
    } catch (error) {
      say(`not saved: ${error.message}`, true);
    }
    state.unsaved -= 1;
    if (state.at === at) $("progress").textContent = progress();
  });
}

function keepText(id, key) {
  $(id).addEventListener("change", () => {
    state.review[key] = $(id).value.trim() || null;
    save();
  });
}

function leaveField() {
  if (document.activeElement) document.activeElement.blur();
}

function move(step) {
  leaveField();
  const at = state.at + step;
  if (at >= 0 && at < state.set.items.length) show(at);
}

function play() {
  const video = $("video");
  if (video.paused) video.play();
  else video.pause();
}

const KEYS = {
  ArrowDown: () => choose(1), ArrowUp: () => choose(-1), ArrowRight: () => move(1), ArrowLeft: () => move(-1),
  j: () => move(1), k: () => move(-1), Enter: () => move(1), " ": play,
  r: () => { $("video").currentTime = state.item.start || 0; $("video").play(); },
  e: () => $("edit").focus(), n: () => $("note").focus(), l: () => $("own-label").focus(),
};

function choose(step) {
  const count = Object.keys(state.set.questions).length;
  state.question = Math.max(0, Math.min(count - 1, state.question + step));
  showAnswers();
}

document.addEventListener("keydown", (event) => {
  if (!state.item || event.ctrlKey || event.metaKey || event.altKey) return;
  const { tagName } = event.target;
  if (event.key === "Escape") {
    leaveField();
    return;
  }
  if (["TEXTAREA", "SELECT", "BUTTON"].includes(tagName) || (tagName === "INPUT" && event.target.type !== "radio")) return;
  const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : -1;
  if (digit === 0 || (digit >= state.set.least && digit <= state.set.most)) {
    event.preventDefault();
    leaveField();
    answer(Object.keys(state.set.questions)[state.question], digit === 0 ? "null" : String(digit));
  } else if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

window.addEventListener("beforeunload", (event) => {
  if (state.unsaved) event.preventDefault();
});

$("enter").addEventListener("submit", begin);
$("previous").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
keepText("edit", "description");
keepText("note", "note");
keepText("own-label", "label");
$("name").value = localStorage.getItem("merc-review-rater") || "";
$("name").focus();
