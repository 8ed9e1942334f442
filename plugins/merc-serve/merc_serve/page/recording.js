// A recording, or a conversation in written words: what a person gives goes to the server as one request.

import { $, counted, fail } from "./parts.js";
import { Result } from "./result.js";
import { ask } from "./server.js";

const EXAMPLE = "Ann: You came! I can't believe it, this is wonderful.\nBo: I said that I would.\nAnn: After what you did last week I was so angry with you.\nBo: I know. I am sorry.";

export class Recording {
  // page: has the run, and takes the result.
  constructor(page) {
    this.page = page;
    this.file = null;
    $("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    $("file").addEventListener("change", () => this.choose([...$("file").files]));
    $("remove").addEventListener("click", () => {
      this.choose([]);
      $("file").focus();
    });
    $("cancel").addEventListener("click", () => this.asking.abort());
    $("example").addEventListener("click", () => {
      this.choose([]);
      $("words").value = EXAMPLE;
      this.submit();
    });
  }

  offer(run) {
    $("words-hint").textContent = run.hears ? "(a recording needs none: they are heard)" : run.needs_text ? "" : "(a recording needs none)";
    $("example").hidden = !run.needs_text;
  }

  choose(files) {
    fail("");
    const [file] = files;
    const most = this.page.run?.limits.megabytes;
    this.file = null;
    $("file").value = "";
    $("remove").hidden = true;
    if (!file) {
      $("chosen").textContent = "Nothing is chosen.";
    } else if (files.length > 1) {
      $("chosen").textContent = `${files.length} files; give one after the other.`;
    } else if (!file.size) {
      $("chosen").textContent = `${file.name} is empty: it has no bytes.`;
    } else if (most && file.size > most * 2 ** 20) {
      $("chosen").textContent = `${file.name} is larger than the ${most} MiB that this server takes.`;
    } else {
      this.file = file;
      $("remove").hidden = false;
      $("chosen").textContent = `${file.name}, ${(file.size / 2 ** 20).toFixed(1)} MiB`;
    }
  }

  async submit() {
    const { file } = this;
    const start = performance.now();
    const seconds = () => ((performance.now() - start) / 1000).toFixed(0);
    const timer = setInterval(() => ($("seconds").textContent = `${seconds()} s`), 1000);
    this.asking = new AbortController();
    this.busy(true);
    try {
      const { run } = this.page;
      const { predictions } = await this.recognise(run, file, this.asking.signal);
      $("status").textContent = `${counted(predictions.length, "utterance")} in ${((performance.now() - start) / 1000).toFixed(1)} s`;
      await this.present(run, file, predictions);
    } catch (error) {
      $("status").textContent = error.name === "AbortError" ? "Cancelled." : "";
      if (error.name !== "AbortError") fail(error.message);
    } finally {
      clearInterval(timer);
      this.busy(false);
    }
  }

  busy(on) {
    if (on) {
      fail("");
      $("status").textContent = "Working …";
    }
    $("go").disabled = $("example").disabled = on;
    $("cancel").hidden = !on;
    $("seconds").textContent = "";
    this.page.working(on);
  }

  async recognise(run, file, signal) {
    const words = utterancesOf($("words").value);
    const query = `v1/predict?run=${encodeURIComponent(run.run)}`;
    if (!file) {
      if (!words.length) throw new Error("Give a recording, or write what was said.");
      const body = JSON.stringify({ utterances: words });
      return ask(query, { method: "POST", body, headers: { "content-type": "application/json" }, signal });
    }
    if (words.length > 1) {
      throw new Error("Written words make a recording one utterance: write them in one line, or leave them out.");
    }
    const form = new FormData();
    const [one] = words;
    if (one) for (const [name, value] of Object.entries(one)) form.append(name, value);
    else if (run.needs_text && !run.hears) form.append("text", "");
    form.append("media", file);
    return ask(query, { method: "POST", body: form, signal });
  }

  async present(run, file, predictions) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = file ? URL.createObjectURL(file) : null;
    const media = file ? { url: this.url, seen: file.type.startsWith("video/") } : null;
    const name = file ? file.name.replace(/\.[^.]*$/, "") : "conversation";
    const result = new Result({ title: file ? file.name : "Written conversation", name, run, media });
    this.page.result = result;
    for (const one of predictions) result.add(one);
    $("results").scrollIntoView({ block: "nearest" });
    if (media?.seen) await result.drawPictures();
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
