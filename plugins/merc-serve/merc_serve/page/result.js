// What the server answered of a conversation: a timeline, a list, and files to save. A recording, written words and a
// live talk are shown and saved by this alone.

import { $, bars, clock, coloured, counted, make } from "./parts.js";
import { asText } from "./exports.js";
import { Timeline } from "./timeline.js";

const NEWEST = 8; // pixels from the end of a list that goes on, within which it stays at its end
const PICTURES = 200;

export class Result {
  // title: what it is of; name: what its files are called; run: as GET /v1/run describes it; media: where it plays from,
  // {url, seen}, or null.
  constructor({ title, name, run, media = null }) {
    Object.assign(this, { title, name, run, media });
    this.predictions = [];
    this.items = [];
    this.current = -1;
    this.player = $("player");
    this.player.hidden = !media;
    this.player.classList.toggle("sound", !!media && !media.seen);
    if (media) this.player.src = media.url;
    else this.player.removeAttribute("src");
    this.timeline = new Timeline(run.labels, (number) => this.go(number));
    $("utterances").replaceChildren();
    $("results").hidden = false;
    this.head();
  }

  head() {
    const count = this.predictions.length;
    $("results-title").textContent = this.title;
    $("results-about").textContent = `${counted(count, "utterance")}, by the run ${this.run.title}`;
    const timed = this.predictions.some((one) => one.start !== undefined);
    for (const button of document.querySelectorAll("[data-export]")) button.disabled = !count;
    $("srt").disabled = !timed;
    $("srt").title = count && !timed ? "Subtitles need the times of utterances" : "";
  }

  add(one, picture = null) {
    const number = this.predictions.push(one) - 1;
    const list = $("utterances");
    const newest = list.scrollTop + list.clientHeight >= list.scrollHeight - NEWEST;
    list.append((this.items[number] = this.row(one, number, picture)));
    if (newest) list.scrollTop = list.scrollHeight;
    if (one.start !== undefined) this.timeline.add(one, number);
    this.head();
  }

  row(one, number, picture) {
    const said = make("p", { className: "said" });
    if (one.speaker) said.append(make("span", { className: "who", textContent: `${one.speaker}: ` }));
    said.append(one.text || make("span", { className: "quiet", textContent: "no words" }));
    const middle = make("div", {}, said);
    if (one.start !== undefined) middle.append(this.when(one, number));
    middle.append(...notes(one));
    const frame = make("div", { className: "frame" }, ...(picture ? [pictured(picture, number)] : []));
    return make("li", { id: `utterance-${number}`, className: picture ? "pictured" : "" }, frame, middle, answer(one, this.run.labels));
  }

  when(one, number) {
    const textContent = `${clock(one.start)} · ${(one.end - one.start).toFixed(1)} s`;
    if (!this.media) return make("span", { className: "quiet small", textContent });
    const when = make("button", { type: "button", className: "when", textContent: `▶ ${textContent}` });
    when.setAttribute("aria-label", `Play utterance ${number + 1}, from ${clock(one.start)}`);
    when.addEventListener("click", () => this.go(number));
    return when;
  }

  go(number) {
    if (!this.predictions.length) return;
    this.mark(Math.max(0, Math.min(this.predictions.length - 1, number)));
    if (!this.media) return;
    this.player.currentTime = this.predictions[this.current].start ?? 0;
    this.player.play().catch(() => {}); // a browser may want a click first
  }

  mark(number) {
    this.items[this.current]?.classList.remove("current");
    this.current = number;
    this.items[number].classList.add("current");
    this.items[number].scrollIntoView({ block: "nearest" });
    this.timeline.mark(number);
  }

  // What the player is at.
  follow() {
    if (!this.media) return;
    const now = this.player.currentTime;
    this.timeline.at(now);
    const at = this.predictions.findIndex((one) => one.start !== undefined && one.start <= now && now < one.end);
    if (at >= 0 && at !== this.current) this.mark(at);
  }

  save(kind) {
    const types = { jsonl: "application/jsonl", srt: "application/x-subrip", csv: "text/csv" };
    const url = URL.createObjectURL(new Blob([asText(kind, this.predictions)], { type: types[kind] }));
    make("a", { href: url, download: `${this.name}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // A small picture from the middle of each utterance, taken from the recording in the browser.
  async drawPictures() {
    const film = make("video", { src: this.media.url, muted: true, preload: "auto" });
    await event(film, "loadeddata");
    if (!film.videoWidth) return;
    for (const [number, one] of this.predictions.slice(0, PICTURES).entries()) {
      const middle = one.start === undefined ? film.duration / 2 : (one.start + one.end) / 2;
      film.currentTime = Math.min(middle, Math.max(0, film.duration - 0.05));
      await event(film, "seeked");
      const canvas = make("canvas", { width: 160, height: Math.round((160 * film.videoHeight) / film.videoWidth) });
      canvas.getContext("2d").drawImage(film, 0, 0, canvas.width, canvas.height);
      this.items[number].querySelector(".frame").replaceChildren(pictured(canvas, number));
      this.items[number].classList.add("pictured");
    }
  }
}

// An event of a film, or its failure, or two seconds in which nothing comes.
function event(film, name) {
  return new Promise((done) => {
    film.addEventListener(name, done, { once: true });
    film.addEventListener("error", done, { once: true });
    setTimeout(done, 2000);
  });
}

function pictured(element, number) {
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", `A frame of utterance ${number + 1}`);
  return element;
}

function note(textContent) {
  return make("p", { className: "missing", textContent });
}

// What a person should know of an answer beside its label.
export function notes(one) {
  const missing = Object.entries(one.missing ?? {}).map(([stream, why]) => `${stream} (${why})`);
  const values = Object.entries(one.values ?? {}).map(([name, value]) => `${name} ${Number(value).toFixed(2)}`);
  return [
    ...(missing.length ? [note(`Not used: ${missing.join("; ")}`)] : []),
    ...(values.length ? [note(values.join(", "))] : []),
    ...(one.answer ? [note(`Answer: ${one.answer}`)] : []),
  ];
}

function answer(one, labels) {
  const label = make("p", { className: "label" }, coloured(make("span", { className: "swatch" }), one.label, labels), one.label ?? "no label");
  const likely = Object.entries(one.probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 3);
  return make("div", {}, label, ...(one.unanswered ? [note(one.unanswered)] : []), ...(likely.length ? [bars(likely, labels)] : []));
}
