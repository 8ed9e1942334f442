"use strict";
// The page of conversations: filters whose state is in the address, so that a view can be kept and sent.
// Texts come from corpora and models. They enter the page as text nodes only, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const found = document.getElementById("found");
  const KEYS = ["q", "filter", "split", "dataset", "speaker", "truth", "predicted", "missing", "size", "only"];
  const UNPARSED = "?";
  const COLOURS = 8;
  let page = 1;

  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const number = (n) => n.toLocaleString("en");
  const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
  const percent = (thousandths) => `${Math.round(thousandths / 10)}%`;
  const labelOf = (place) => (place === -1 ? "unparsed" : data.labels[place]);
  const splitOf = (conversation) => conversation.split || "";

  function verdict(turn) {
    if (!("label" in turn)) return "context";
    if (!("truth" in turn)) return "unlabelled";
    if (turn.label === -1) return "unparsed";
    return turn.label === turn.truth ? "right" : "wrong";
  }

  for (const conversation of data.conversations) {
    for (const turn of conversation.turns) {
      turn.verdict = verdict(turn);
      const texts = [turn.id, conversation.id, turn.speaker, turn.text, turn.said, ...Object.values(turn.cues || {})];
      turn.words = texts.filter(Boolean).join("\n").toLowerCase();
    }
  }

  // ---- what is looked for

  function settings() {
    const values = new FormData(form);
    return Object.fromEntries(KEYS.map((key) => [key, values.get(key) || ""]));
  }

  function matcher(want) {
    const terms = want.q.toLowerCase().split(/\s+/).filter(Boolean);
    const truth = want.truth === "" ? null : data.labels.indexOf(want.truth);
    const predicted = want.predicted === "" ? null : data.labels.indexOf(want.predicted);
    return (turn) => {
      if (turn.verdict === "context") return false;
      if (want.filter === "wrong" && turn.verdict !== "wrong" && turn.verdict !== "unparsed") return false;
      if (want.filter === "right" && turn.verdict !== "right") return false;
      if (want.filter === "unparsed" && turn.label !== -1) return false;
      if (want.filter === "unlabelled" && turn.verdict !== "unlabelled") return false;
      if (want.speaker !== "" && turn.speaker !== want.speaker) return false;
      if (truth !== null && turn.truth !== truth) return false;
      if (predicted !== null && turn.label !== predicted) return false;
      if (want.missing === "none" && turn.missing) return false;
      if (want.missing === "any" && !turn.missing) return false;
      if (want.missing.startsWith("in:") && !(turn.missing && want.missing.slice(3) in turn.missing)) return false;
      return terms.every((term) => turn.words.includes(term));
    };
  }

  function search(want) {
    const matches = matcher(want);
    const hits = [];
    for (const conversation of data.conversations) {
      if (want.split !== "" && splitOf(conversation) !== want.split) continue;
      if (want.dataset !== "" && conversation.dataset !== want.dataset) continue;
      const turns = new Set(conversation.turns.filter(matches));
      if (turns.size) hits.push({ conversation, turns });
    }
    return hits;
  }

  // ---- what is shown

  function chances(turn) {
    if (!turn.chances) return null;
    const order = turn.chances.map((value, place) => [value, place]).sort((a, b) => b[0] - a[0]);
    const bar = element("span", { class: "chances", "aria-hidden": "true" });
    for (const [value, place] of order) {
      if (value < 5) continue;
      const part = element("span", { class: `label-${place % COLOURS}`, title: `${data.labels[place]} ${percent(value)}` });
      part.style.flexGrow = value;
      bar.append(part);
    }
    const top = element("span", { class: "top" });
    for (const [value, place] of order.slice(0, 3)) {
      if (value < 5 && top.childElementCount) continue;
      top.append(element("span", {}, element("i", { class: `dot label-${place % COLOURS}` }), `${data.labels[place]} ${percent(value)}`));
    }
    const all = order.map(([value, place]) => `${data.labels[place]} ${(value / 10).toFixed(1)}%`).join("\n");
    return element("span", { class: "probabilities", title: all }, bar, top);
  }

  function facts(kind, entries) {
    const box = element("dl", { class: kind });
    for (const [name, value] of entries) box.append(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
    return entries.length ? box : null;
  }

  const WORDS = {
    right: ["✓", "right"],
    wrong: ["✗", "wrong"],
    unparsed: ["✗", "wrong, the answer could not be parsed"],
    unlabelled: ["·", "no truth to compare with"],
  };

  function judgement(turn) {
    if (turn.verdict === "context") {
      const truth = "truth" in turn ? ` (true label: ${labelOf(turn.truth)})` : "";
      return element("div", { class: "verdict" }, element("span", { class: "quiet" }, `not predicted${truth}`));
    }
    const [mark, words] = WORDS[turn.verdict];
    const line = element("div", { class: "line" });
    line.append(element("span", { class: "mark", role: "img", "aria-label": words, title: words }, mark));
    line.append(element("b", {}, labelOf(turn.label)));
    if (turn.verdict === "wrong" || turn.verdict === "unparsed") line.append(element("span", { class: "truth" }, "truth: ", element("b", {}, labelOf(turn.truth))));
    return element("div", { class: "verdict" }, line, chances(turn));
  }

  // A player is made when its utterance comes into view, so that a page of many loads no more than what is seen.
  const players = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      players.unobserve(entry.target);
      entry.target.append(entry.target.player());
    }
  });

  function orSentence(node, address, sentence) {
    const file = decodeURIComponent(address.split("#")[0].split("/").pop());
    node.addEventListener("error", () => node.replaceWith(element("span", { class: "quiet small" }, `${file} ${sentence}`)));
    return node;
  }

  function media(turn) {
    const box = element("div", { class: "media" });
    if (turn.frames) {
      const picture = element("img", { loading: "lazy", alt: `Frames of ${turn.id}` });
      box.append(orSentence(picture, turn.frames, "is not in the folder frames any more."));
      picture.src = turn.frames;
    }
    for (const kind of ["video", "audio"].filter((name) => name in turn)) {
      const place = element("span", { class: kind });
      place.player = () => {
        const player = element(kind, { controls: "", preload: turn.frames ? "none" : "metadata", "aria-label": `${kind} of ${turn.id}` });
        player.addEventListener("play", () => place.classList.add("playing"));
        orSentence(player, turn[kind], "cannot be played: it has moved since, or this browser does not know its format.");
        player.src = turn[kind];
        return player;
      };
      players.observe(place);
      box.append(place);
    }
    return box.childElementCount ? box : null;
  }

  function row(turn, hit) {
    const more = [];
    more.push(...Object.entries(turn.values || {}));
    if ("valence" in turn && !("valence" in (turn.values || {}))) more.push(["valence", String(turn.valence)]);
    if (turn.open) more.push(["open labels", turn.open.join(", ")]);
    const words = element(
      "div",
      { class: "words" },
      turn.text === null ? element("em", { class: "quiet" }, "text unknown") : element("p", { dir: "auto" }, turn.text),
      "said" in turn ? element("p", { class: "said" }, "generated: ", element("q", {}, turn.said)) : null,
      facts("cues", [...Object.entries(turn.cues || {}), ...more]),
      facts("cues", Object.entries(turn.details || {})),
      facts("lacks", Object.entries(turn.missing || {}).map(([stream, reason]) => [`no ${stream}`, reason])),
      media(turn),
    );
    return element(
      "li",
      { class: `turn ${turn.verdict}${hit ? "" : " off"}`, "data-id": turn.id, "data-verdict": turn.verdict },
      element("div", { class: "who" }, element("span", { class: "speaker", dir: "auto" }, turn.speaker || "–"), element("span", { class: "id" }, turn.id)),
      words,
      judgement(turn),
    );
  }

  function card({ conversation, turns }, only) {
    const shown = only ? conversation.turns.filter((turn) => turns.has(turn)) : conversation.turns;
    const judged = conversation.turns.filter((turn) => ["right", "wrong", "unparsed"].includes(turn.verdict));
    const right = judged.filter((turn) => turn.verdict === "right").length;
    const parts = [data.splits.length > 1 ? splitOf(conversation) || "no split" : null, data.datasets.length > 1 ? conversation.dataset : null, plural(conversation.turns.length, "turn")];
    if (judged.length) parts.push(`${right} of ${judged.length} right`);
    if (shown.length < conversation.turns.length) parts.push(`${shown.length} shown`);
    const narrowed = turns.size < conversation.turns.length && !only;
    return element(
      "article",
      { class: narrowed ? "talk narrowed" : "talk", "data-id": conversation.id },
      element("h3", {}, conversation.id, element("span", { class: "quiet" }, ` · ${parts.filter(Boolean).join(" · ")}`)),
      element("ol", {}, ...shown.map((turn) => row(turn, turns.has(turn)))),
    );
  }

  function pagers(pages) {
    for (const box of document.querySelectorAll("[data-pager]")) {
      box.replaceChildren();
      if (pages < 2) continue;
      const step = (text, to, label) => {
        const button = element("button", { type: "button", "aria-label": label }, text);
        button.disabled = to < 1 || to > pages || to === page;
        button.addEventListener("click", () => turnTo(to));
        return button;
      };
      const where = element("input", { type: "number", min: 1, max: pages, value: page, "aria-label": "page" });
      where.addEventListener("change", () => turnTo(Math.min(pages, Math.max(1, Number(where.value) || 1))));
      box.append(
        step("«", 1, "first page"), step("‹", page - 1, "page before"),
        element("span", {}, where, ` of ${number(pages)}`),
        step("›", page + 1, "next page"), step("»", pages, "last page"),
      );
    }
  }

  function show() {
    const want = settings();
    const hits = search(want);
    const size = want.size === "all" ? Infinity : Number(want.size) || 20;
    const pages = Math.max(1, Math.ceil(hits.length / size));
    page = Math.min(Math.max(1, page), pages);
    const start = (page - 1) * (size === Infinity ? 0 : size);
    players.disconnect();
    list.replaceChildren(...hits.slice(start, start + size).map((hit) => card(hit, want.only)));
    const turns = hits.reduce((sum, hit) => sum + hit.turns.size, 0);
    found.dataset.turns = turns;
    found.dataset.conversations = hits.length;
    const all = data.conversations.reduce((sum, c) => sum + c.turns.filter((turn) => turn.verdict !== "context").length, 0);
    found.textContent = hits.length
      ? `${plural(turns, "prediction")} of ${number(all)} in ${plural(hits.length, "conversation")} of ${number(data.conversations.length)}`
      : "No prediction matches. Loosen a filter, or clear them.";
    pagers(pages);
  }

  // ---- the address

  function toAddress() {
    const query = new URLSearchParams(Object.entries(settings()).filter(([, value]) => value !== ""));
    if (page > 1) query.set("page", page);
    try {
      history.replaceState(null, "", `#${query.toString() || "conversations"}`);
    } catch {
      // A page inside a frame without an origin has no address of its own; the filters work all the same.
    }
  }

  function fromAddress() {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) return false;
    const query = new URLSearchParams(hash);
    form.reset();
    for (const key of KEYS) {
      const field = form.elements.namedItem(key);
      const value = query.get(key);
      if (value === null) continue;
      if (field.type === "checkbox") field.checked = value !== "";
      else field.value = value;
      // A select given a value that it does not have shows nothing; take it as "any".
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
    }
    page = Number(query.get("page")) || 1;
    return true;
  }

  function changed() {
    page = 1;
    show();
    toAddress();
  }

  function turnTo(to) {
    page = to;
    show();
    toAddress();
    document.getElementById("conversations").scrollIntoView();
  }

  function options(name, values) {
    form.elements.namedItem(name).append(...values.map(([value, text]) => element("option", { value }, text)));
  }

  // So many conversations at once would keep a browser busy for minutes.
  if (data.conversations.length > 1000) form.elements.namedItem("size").querySelector("[value=all]").remove();
  options("split", data.splits.map((split) => [split || "", split || "no split"]));
  for (const name of ["dataset", "speaker"]) options(name, data[`${name}s`].map((value) => [value, value]));
  options("truth", data.labels.map((label) => [label, label]));
  options("predicted", [...data.labels.map((label) => [label, label]), [UNPARSED, "unparsed"]]);
  options("missing", data.streams.map((stream) => [`in:${stream}`, stream]));
  for (const field of form.querySelectorAll("[data-hide-if-one]")) field.hidden = data[field.dataset.hideIfOne].length < 2;

  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  // Not form's own reset event: reading the address resets the form too, and must not turn back to page 1.
  document.getElementById("clear").addEventListener("click", () => {
    form.reset();
    changed();
  });
  window.addEventListener("hashchange", () => {
    if (!fromAddress()) return;
    show();
    document.getElementById("conversations").scrollIntoView();
  });
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details.split, details.reason")) details.open = true;
  });

  const asked = fromAddress();
  show();
  if (asked) document.getElementById("conversations").scrollIntoView();
})();
