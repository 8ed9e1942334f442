// When who speaks, in a row a speaker, and how likely each label is, in a band a label. A block has its times as
// properties and CSS its place, so that a talk that goes on moves what is there and builds nothing anew.

import { $, clock, coloured, make } from "./parts.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const AHEAD = 16; // pixels that stay free after the cursor
const DENSE = 15; // seconds: in a long talk, whose row is wider than the page, a mark each quarter of a minute

export class Timeline {
  constructor(labels, go) {
    this.labels = labels;
    this.go = go;
    this.speakers = new Map();
    this.bands = new Map(labels.map((label) => [label, make("div", { className: "lane band" })]));
    this.axis = make("div", { className: "axis" });
    this.cursor = make("i", { className: "cursor", hidden: true });
    this.body = make("tbody", {}, ...[...this.bands].map(([label, lane]) => rowOf(label, lane)), make("tr", {}, make("th"), make("td", {}, this.axis)));
    const table = make("table", {}, this.body);
    table.setAttribute("aria-label", "Who speaks when, and how likely each label is");
    this.scale = make("div", { className: "scale" }, table, this.cursor);
    this.seconds = 0;
    this.drafts = [];
    this.box = $("timeline");
    this.box.replaceChildren(this.scale);
    this.box.hidden = true;
  }

  add(one, number) {
    const block = placed(make("button", { type: "button", textContent: one.label ?? "" }), one.start, one.end);
    coloured(block, one.label, this.labels);
    block.dataset.utterance = number;
    block.title = `${one.label ?? "no label"}: ${one.text ?? ""}`;
    block.setAttribute("aria-label", `Utterance ${number + 1}, ${clock(one.start)}: ${one.label ?? "no label"}`);
    block.addEventListener("click", () => this.go(number));
    this.laneOf(one.speaker).append(block);
    for (const [label, share] of Object.entries(one.probabilities ?? {})) {
      const band = coloured(placed(make("i"), one.start, one.end), label, this.labels);
      band.style.opacity = share;
      this.bands.get(label)?.append(band);
    }
    this.lasts(Math.max(this.seconds, one.end));
  }

  // What is being said, in place of what was.
  draft(utterances) {
    for (const block of this.drafts) block.remove();
    this.drafts = utterances.map((one) => {
      const block = coloured(placed(make("i", { className: "draft" }), one.start, one.end), one.label, this.labels);
      this.laneOf(one.speaker).append(block);
      return block;
    });
  }

  laneOf(speaker = "") {
    const name = speaker ?? "";
    if (!this.speakers.has(name)) {
      const lane = make("div", { className: "lane" });
      this.body.insertBefore(rowOf(name || "somebody", lane), this.body.children[this.speakers.size]);
      this.speakers.set(name, lane);
    }
    return this.speakers.get(name);
  }

  lasts(seconds) {
    this.box.hidden = false;
    this.seconds = seconds;
    this.scale.style.setProperty("--lasts", seconds);
    const step = STEPS.find((one) => one >= Math.min(seconds / 8, DENSE)) ?? DENSE;
    const count = Math.floor(seconds / step) + 1;
    if (step !== this.step || count !== this.axis.children.length) {
      this.step = step;
      this.axis.replaceChildren(...Array.from({ length: count }, (_, mark) => placed(make("span", { textContent: clock(mark * step) }), mark * step)));
    }
  }

  // Where a player or a live talk is. Who has scrolled to another place stays there.
  at(seconds) {
    const { scrollLeft: left, clientWidth: width } = this.box;
    const seen = this.cursor.hidden || (this.cursor.offsetLeft >= left && this.cursor.offsetLeft <= left + width);
    this.cursor.hidden = seconds === undefined;
    if (this.cursor.hidden) return;
    placed(this.cursor, seconds);
    const place = this.cursor.offsetLeft;
    if (seen && (place < left || place > left + width - AHEAD)) this.box.scrollLeft = place - width / 2;
  }

  mark(number) {
    for (const block of this.box.querySelectorAll("[data-utterance]"))
      block.setAttribute("aria-current", String(Number(block.dataset.utterance) === number));
  }
}

function rowOf(name, lane) {
  return make("tr", {}, make("th", { scope: "row", textContent: name, title: name }), make("td", {}, lane));
}

function placed(element, from, to = from) {
  element.style.setProperty("--from", from);
  element.style.setProperty("--to", to);
  return element;
}
