// What the other files build the page of. Everything of a user is set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Colours that people expect; other labels get hues that lie apart.
const HUES = {
  anger: 4, angry: 4, frustration: 22, frustrated: 22, joy: 46, happy: 46, happiness: 46, excited: 66, disgust: 110, disgusted: 110,
  surprise: 172, surprised: 172, sad: 215, sadness: 215, fear: 276, fearful: 276,
};
const GREY = ["neutral", undefined, null];

export function coloured(element, label, labels) {
  const known = HUES[String(label).toLowerCase()];
  if (GREY.includes(label?.toLowerCase())) element.style.setProperty("--strong", "4%");
  element.style.setProperty("--hue", known ?? Math.round((360 * labels.indexOf(label)) / Math.max(labels.length, 1) + 20) % 360);
  return element;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return minutes >= 60 ? `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export function bars(shares, labels) {
  return make("ul", { className: "bars" }, ...shares.map(([label, share]) => {
    const bar = coloured(make("b"), label, labels);
    bar.style.width = `${100 * share}%`;
    return make("li", {}, make("span", { textContent: label, title: label }), make("span", {}, bar), make("span", { textContent: percent(share) }));
  }));
}

// ["words", "face", "voice"] as "words, face and voice".
export function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

export function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

// A sentence about what went wrong, or nothing.
export function fail(message) {
  $("error").textContent = message;
  $("error").hidden = !message;
}
