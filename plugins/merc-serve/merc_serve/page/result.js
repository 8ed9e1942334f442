// What the server said of a conversation: a timeline with a row a speaker and a band a label, and a list.

const $ = (id) => document.getElementById(id);

export function hueOf(label, labels) {
  return Math.round((360 * labels.indexOf(label)) / Math.max(labels.length, 1) + 20) % 360;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function coloured(element, label, labels) {
  element.style.setProperty("--hue", hueOf(label, labels));
  return element;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return minutes >= 60 ? `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export async function drawResult({ predictions, labels, player, go }) {
  $("legend").replaceChildren(
    ...labels.map((label) => make("li", {}, coloured(make("span", { className: "swatch" }), label, labels), label)),
  );
  drawTimeline(predictions, labels, go);
  $("utterances").replaceChildren(...predictions.map((one, number) => row(one, number, labels, go)));
  if (!player.hidden && !player.classList.contains("sound")) await drawFrames(predictions, player);
}

function row(one, number, labels, go) {
  const said = make("p", { className: "said" });
  if (one.speaker) said.append(make("span", { className: "who", textContent: `${one.speaker}: ` }));
  said.append(one.text ?? "");
  const middle = make("div", {}, said);
  if (one.start !== undefined) {
    const when = make("button", { type: "button", className: "when", textContent: `${clock(one.start)} – ${clock(one.end)}` });
    when.setAttribute("aria-label", `Play utterance ${number + 1}, from ${clock(one.start)}`);
    when.addEventListener("click", () => go(number));
    middle.append(when);
  }
  const missing = Object.entries(one.missing ?? {}).map(([stream, why]) => `${stream}: ${why}`);
  if (missing.length) middle.append(make("p", { className: "missing", textContent: `Not used: ${missing.join("; ")}` }));
  if (one.answer) middle.append(make("p", { className: "missing", textContent: `Answer: ${one.answer}` }));
  const item = make("li", { id: `utterance-${number}` }, make("div", { className: "frame" }), middle, answer(one, labels));
  return item;
}

function answer(one, labels) {
  const box = make("div", {}, make("p", { className: "label", textContent: one.label ?? "no label" }));
  if (one.unanswered) box.append(make("p", { className: "missing", textContent: one.unanswered }));
  const likely = Object.entries(one.probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 3);
  const bars = likely.map(([label, share]) => {
    const bar = coloured(make("b"), label, labels);
    bar.style.width = `${100 * share}%`;
    return make("li", {}, make("span", { textContent: label }), make("span", {}, bar), make("span", { textContent: `${Math.round(100 * share)} %` }));
  });
  if (bars.length) box.append(make("ul", { className: "bars" }, ...bars));
  return box;
}

function drawTimeline(predictions, labels, go) {
  const timed = predictions.map((one, number) => [one, number]).filter(([one]) => one.start !== undefined);
  $("timeline").hidden = !timed.length;
  if (!timed.length) return;
  const end = Math.max(...timed.map(([one]) => one.end));
  const place = (element, one) => {
    element.style.left = `${(100 * one.start) / end}%`;
    element.style.width = `${(100 * (one.end - one.start)) / end}%`;
    return element;
  };
  const rows = [];
  for (const speaker of new Set(timed.map(([one]) => one.speaker ?? "")))
    rows.push(lane(speaker || "somebody", "lane", timed.filter(([one]) => (one.speaker ?? "") === speaker).map(([one, number]) => {
      const block = coloured(place(make("button", { type: "button" }), one), one.label, labels);
      block.dataset.utterance = number;
      block.title = `${one.label ?? "no label"}: ${one.text ?? ""}`;
      block.setAttribute("aria-label", `Utterance ${number + 1}, ${clock(one.start)}: ${one.label ?? "no label"}`);
      block.addEventListener("click", () => go(number));
      return block;
    })));
  for (const label of labels)
    rows.push(lane(label, "lane band", timed.filter(([one]) => one.probabilities).map(([one]) => {
      const band = coloured(place(make("i"), one), label, labels);
      band.style.opacity = one.probabilities[label] ?? 0;
      return band;
    })));
  const axis = make("div", { className: "axis" });
  const marks = 5;
  for (let mark = 0; mark <= marks; mark++) {
    const at = make("span", { textContent: clock((end * mark) / marks) });
    at.style.left = `${(100 * mark) / marks}%`;
    axis.append(at);
  }
  rows.push(make("tr", {}, make("th"), make("td", {}, axis)));
  const table = make("table", {}, make("tbody", {}, ...rows));
  table.setAttribute("aria-label", "Who speaks when, and how likely each label is");
  $("timeline").replaceChildren(table);
}

function lane(name, className, blocks) {
  return make("tr", {}, make("th", { scope: "row", textContent: name, title: name }), make("td", {}, make("div", { className }, ...blocks)));
}

// A small picture from the middle of each utterance, taken from the recording in the browser.
async function drawFrames(predictions, player) {
  const film = make("video", { src: player.src, muted: true, preload: "auto" });
  await new Promise((done) => {
    film.addEventListener("loadeddata", done, { once: true });
    film.addEventListener("error", done, { once: true });
  });
  if (!film.videoWidth) return;
  for (const [number, one] of predictions.slice(0, 200).entries()) {
    const middle = one.start === undefined ? film.duration / 2 : (one.start + one.end) / 2;
    film.currentTime = Math.min(middle, Math.max(0, film.duration - 0.05));
    await new Promise((done) => {
      film.addEventListener("seeked", done, { once: true });
      setTimeout(done, 2000);
    });
    const canvas = make("canvas", { width: 160, height: Math.round((160 * film.videoHeight) / film.videoWidth) });
    canvas.getContext("2d").drawImage(film, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `A frame of utterance ${number + 1}`);
    document.querySelector(`#utterance-${number} .frame`)?.replaceChildren(canvas);
  }
}

export function markAt(number) {
  for (const [at, item] of [...$("utterances").children].entries()) item.classList.toggle("current", at === number);
  for (const block of document.querySelectorAll("#timeline [data-utterance]"))
    block.setAttribute("aria-current", String(Number(block.dataset.utterance) === number));
  document.getElementById(`utterance-${number}`)?.scrollIntoView({ block: "nearest" });
}
