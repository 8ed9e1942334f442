// A talk while it goes on: microphone and camera go to the server, and its labels come back, provisional ones while
// somebody speaks and a final one when they pause.

import { Camera, Microphone, obstacle, pictureMessage } from "./capture.js";
import { $, bars, clock, counted, fail, make, percent } from "./parts.js";
import { Result, notes } from "./result.js";
import { connect } from "./server.js";

const EVERY = 250; // ms between two pictures
const KEPT = 240; // pictures of the last minute, of which one is shown beside each utterance
const QUIET = 50; // messages without any sound, after which a person is asked about the microphone
const NOTHING = 0.0005; // the loudest sample of a message without any sound; the loudest of all is 1
const WAITING = 2 ** 17; // bytes that wait to be sent, four seconds of sound: pictures are left out meanwhile
const PATIENCE = 30000; // ms for the last final labels
const BARS = 8; // labels; of more, the likeliest are shown
const SPOKEN = 20; // sentences that a screen reader can go back to

export class Live {
  // page: has the run, takes the result and whether a talk is on.
  constructor(page) {
    this.page = page;
    $("start").addEventListener("click", () => this.start());
    $("pause").addEventListener("click", () => this.pause());
    $("stop").addEventListener("click", () => this.stop());
    this.show("idle");
    this.shows(null);
  }

  // What the run and the browser make possible.
  offer(run) {
    const why = obstacle() || (run.hears ? "" : "This server cannot hear: nothing that finds and writes down speech is installed there. Install merc-speech, and start it again.");
    $("obstacle").textContent = why;
    $("obstacle").hidden = !why;
    $("start").disabled = !!why;
    $("camera").disabled = !run.sees;
    $("camera-hint").textContent = run.sees ? "(optional; the voice and the words do without)" : "(this run does not look at pictures)";
    $("camera").checked = run.sees;
  }

  // idle, opening, live, paused, ending
  show(phase, status = "") {
    const held = document.activeElement;
    this.phase = phase;
    const on = phase !== "idle";
    $("live").dataset.phase = phase;
    $("start").hidden = on;
    $("start").textContent = this.talked ? "Start a new talk" : "Start";
    $("pause").hidden = phase !== "live" && phase !== "paused";
    $("pause").textContent = phase === "paused" ? "Resume" : "Pause";
    $("stop").hidden = !on;
    $("stop").setAttribute("aria-disabled", String(phase === "ending")); // disabled, it would lose the focus
    $("choices").hidden = on;
    $("live-status").textContent = status;
    $("utterances").classList.toggle("on", on && !!this.talk?.result);
    this.page.talking(on);
    if (held?.hidden) (on ? $("stop") : $("start")).focus();
  }

  note(key, text) {
    this.notes ??= new Map();
    if (text) this.notes.set(key, text);
    else this.notes.delete(key);
    $("live-notes").replaceChildren(...[...this.notes.values()].map((textContent) => make("li", { textContent })));
  }

  async start() {
    const talk = (this.talk = { pending: new Map(), pictures: [], messages: 0, heard: 0, quiet: 0, skipped: 0, noted: 0 });
    fail("");
    this.notes = new Map();
    this.note("");
    this.shows(null);
    try {
      this.show("opening", "Waiting for the microphone …");
      talk.microphone = await Microphone.open();
      if (this.left(talk)) return;
      talk.microphone.track.addEventListener("ended", () => this.stop("The microphone is gone. Connect it, and start a new talk."));
      if ($("camera").checked) await this.see(talk);
      if (this.left(talk)) return;
      this.show("opening", "Connecting; the first time, the server may load what hears …");
      this.join(talk);
    } catch (error) {
      if (!this.left(talk)) this.end(talk, `${error.message}, and start again.`);
    }
  }

  // Whether a talk was ended while something of it was awaited; what it holds is given back then.
  left(talk) {
    if (this.talk === talk) return false;
    talk.microphone?.close();
    talk.camera?.close();
    return true;
  }

  async see(talk) {
    this.show("opening", "Waiting for the camera …");
    try {
      talk.camera = await Camera.open($("preview"));
      $("live").classList.add("sees");
      talk.camera.track.addEventListener("ended", () => this.note("camera", "The camera is gone. The talk goes on without pictures."));
    } catch (error) {
      this.note("camera", `${error.message}. The talk goes on without pictures.`);
    }
  }

  join(talk) {
    const socket = (talk.socket = connect("v1/live"));
    const speaker = $("speaker").value.trim();
    socket.addEventListener("open", () =>
      socket.send(JSON.stringify({ run: this.page.run.run, rate: 16000, video: !!talk.camera, ...(speaker ? { speaker } : {}) })),
    );
    socket.addEventListener("message", (event) => this.take(talk, JSON.parse(event.data)));
    socket.addEventListener("close", () => this.end(talk, this.broken(talk)));
  }

  broken(talk) {
    if (!talk.result) return "The server did not take up the talk. Does it still run, is the key right, or are too many talks on? Start again later.";
    return `The connection broke after ${clock(talk.heard)}. What was answered before is below.`;
  }

  take(talk, message) {
    if (this.talk !== talk) return;
    const { type, ...one } = message;
    if (type === "ready") this.begin(talk, one);
    else if (type === "provisional") this.guess(talk, one);
    else if (type === "final") this.settle(talk, one);
    else if (type === "dropped") this.drop(talk, one.id);
    else if (type === "note") this.note(`server ${talk.noted++ % 5}`, one.text); // the newest ones
    else if (type === "error") this.end(talk, one.error);
    else if (type === "end") this.end(talk);
  }

  begin(talk, { labels }) {
    const now = new Date();
    const name = `live-${now.toLocaleDateString("sv")}-${now.toTimeString().slice(0, 5).replace(":", "")}`;
    talk.result = new Result({ title: `Live talk, ${now.toTimeString().slice(0, 5)}`, name, run: { ...this.page.run, labels } });
    this.talked = true;
    this.page.result = talk.result;
    talk.microphone.start(({ message, peak }) => this.send(talk, message, peak));
    talk.timer = setInterval(() => this.look(talk), EVERY);
    this.show("live", "Listening");
    this.shows(null);
  }

  send(talk, message, peak) {
    if (this.phase === "ending" || talk.socket.readyState !== WebSocket.OPEN) return;
    talk.socket.send(message);
    talk.heard = ++talk.messages / 10;
    $("level").value = Math.sqrt(peak); // as loud as it sounds, rather than as it measures
    talk.quiet = peak > NOTHING || this.phase === "paused" ? 0 : talk.quiet + 1;
    if (talk.quiet === QUIET) this.note("quiet", "No sound comes from the microphone. Is it muted, or is another one chosen?");
    if (!talk.quiet && this.notes.has("quiet")) this.note("quiet", "");
    if (talk.messages % 5) return; // what follows is placed anew, which a long talk makes costly
    $("elapsed").textContent = clock(talk.heard);
    talk.result.timeline.lasts(Math.max(talk.heard, 10));
    talk.result.timeline.at(talk.heard);
  }

  async look(talk) {
    if (this.phase !== "live" || !talk.camera || talk.camera.track.readyState === "ended") return;
    if (talk.socket.bufferedAmount > WAITING) {
      this.note("slow", `The connection is slow: ${counted(++talk.skipped, "picture")} left out, and labels come late.`);
      return;
    }
    const seconds = talk.microphone.seconds;
    const file = await talk.camera.picture();
    if (!file || this.phase !== "live" || this.talk !== talk) return;
    talk.pictures.push({ seconds, file });
    if (talk.pictures.length > KEPT) talk.pictures.shift();
    const message = await pictureMessage(file, seconds);
    if (talk.socket.readyState === WebSocket.OPEN && this.phase === "live") talk.socket.send(message);
  }

  guess(talk, one) {
    talk.pending.set(one.id, one);
    talk.result.timeline.draft([...talk.pending.values()]);
    this.shows(one, "provisional");
  }

  // What seemed to be an utterance was none.
  drop(talk, id) {
    talk.pending.delete(id);
    talk.result.timeline.draft([...talk.pending.values()]);
    const newest = [...talk.pending.values()].pop();
    this.shows(newest ?? talk.last, newest ? "provisional" : talk.last ? "final" : "");
  }

  settle(talk, one) {
    talk.last = one;
    for (const [id, pending] of talk.pending) if (id === one.id || pending.end <= one.start) talk.pending.delete(id);
    const record = Object.fromEntries(Object.entries(one).filter(([, value]) => value !== null && value !== undefined));
    talk.result.timeline.draft([...talk.pending.values()]);
    talk.result.add({ ...record, label: one.label ?? null }, picture(talk, one));
    const newest = [...talk.pending.values()].pop();
    this.shows(newest ?? one, newest ? "provisional" : "final");
    this.say(one);
  }

  // The utterance that is spoken, or the last one.
  shows(one, kind = "") {
    $("now").dataset.kind = kind;
    $("kind").textContent = kind || (this.phase === "live" ? "listening" : "not started");
    $("now-label").textContent = one ? `${one.label ?? "no label"}` : "";
    const shares = Object.entries(one?.probabilities ?? {});
    const share = one?.probabilities?.[one.label];
    $("now-share").textContent = share === undefined ? "" : percent(share);
    $("now-said").textContent = one
      ? `${one.speaker ? `${one.speaker}: ` : ""}${one.text || (kind === "provisional" ? "…" : "no words")}`
      : "Speak. A provisional label comes while you speak, the final one after you pause.";
    const { labels } = this.page.result?.run ?? this.page.run ?? {};
    const shown = shares.length > BARS ? shares.sort((a, b) => b[1] - a[1]).slice(0, BARS) : shares;
    $("now-bars").replaceChildren(...(shown.length ? [bars(shown, labels)] : []));
    const late = kind === "final" && one.latency?.total !== undefined ? [`Known ${one.latency.total.toFixed(1)} s after the last sound of it`] : [];
    const said = [...(one?.unanswered ? [one.unanswered] : []), ...late].map((textContent) => make("p", { className: "missing", textContent }));
    $("now-notes").replaceChildren(...said, ...(one ? notes(one) : []));
  }

  // Tells a screen reader of a final label, and of no provisional one.
  say(one) {
    const share = one.probabilities?.[one.label];
    const textContent = `${one.speaker ? `${one.speaker}: ` : ""}${one.text || "no words"} (${one.label ?? "no label"}${share === undefined ? "" : `, ${percent(share)}`})`;
    $("spoken").append(make("p", { textContent }));
    while ($("spoken").children.length > SPOKEN) $("spoken").firstChild.remove();
  }

  // A paused talk goes on in silence, so that its times stay those of the clock.
  pause() {
    const paused = this.phase === "live";
    for (const source of [this.talk.microphone, this.talk.camera]) if (source) source.track.enabled = !paused;
    this.show(paused ? "paused" : "live", paused ? "Paused: nothing is heard or seen" : "Listening");
  }

  stop(why = "") {
    const { talk } = this;
    if (!talk || this.phase === "ending") return;
    if (!talk.result || talk.socket.readyState !== WebSocket.OPEN) {
      this.end(talk, why);
      return;
    }
    this.show("ending", "Waiting for the last labels …");
    fail(why);
    talk.why = why;
    talk.socket.send(JSON.stringify({ type: "end" }));
    this.release(talk);
    talk.late = setTimeout(() => this.end(talk, "The server did not finish in time. What was answered before is below."), PATIENCE);
  }

  release(talk) {
    clearInterval(talk.timer);
    clearTimeout(talk.late);
    talk.microphone?.close();
    talk.camera?.close();
    talk.microphone = talk.camera = null;
    $("live").classList.remove("sees");
    $("level").value = 0;
  }

  end(talk, why = talk.why ?? "") {
    if (this.talk !== talk) return;
    this.talk = null;
    this.release(talk);
    talk.socket?.close();
    fail(why);
    if (talk.result) {
      talk.result.timeline.draft([]);
      talk.result.timeline.at(undefined);
      this.shows(talk.result.predictions.at(-1) ?? null, talk.result.predictions.length ? "final" : "");
      if (!talk.result.predictions.length) $("now-said").textContent = "Nothing was said that the server heard.";
    }
    $("elapsed").textContent = "";
    this.show("idle", talk.result ? `Stopped after ${clock(talk.heard)}: ${counted(talk.result.predictions.length, "utterance")}` : "");
  }
}

// What the camera saw in the middle of an utterance, for its row.
function picture(talk, one) {
  if (!talk.pictures.length) return null;
  const middle = (one.start + one.end) / 2;
  const far = (picture) => Math.abs(picture.seconds - middle);
  const nearest = talk.pictures.reduce((best, next) => (far(next) < far(best) ? next : best));
  return far(nearest) > (one.end - one.start) / 2 + 1 ? null : make("img", { src: URL.createObjectURL(nearest.file), alt: "" });
}
