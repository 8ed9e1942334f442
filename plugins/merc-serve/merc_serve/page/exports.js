// Predictions as files that other programs read.

const pad = (number, width) => String(number).padStart(width, "0");

function time(seconds) {
  const ms = Math.round(seconds * 1000);
  return `${pad(Math.floor(ms / 3600000), 2)}:${pad(Math.floor(ms / 60000) % 60, 2)}:${pad(Math.floor(ms / 1000) % 60, 2)},${pad(ms % 1000, 3)}`;
}

// A spreadsheet takes a cell that begins with = + - @ for a formula; what people say may begin so.
function cell(value) {
  let text = value === undefined || value === null ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function subtitles(predictions) {
  return predictions
    .filter((one) => one.start !== undefined)
    .map((one, number) => {
      const words = `${one.speaker ? `${one.speaker}: ` : ""}${one.text ?? ""}`.replaceAll(/\s+/g, " ").trim();
      return `${number + 1}\n${time(one.start)} --> ${time(one.end)}\n[${one.label ?? "no label"}] ${words}\n`;
    })
    .join("\n");
}

function table(predictions) {
  const names = (key) => [...new Set(predictions.flatMap((one) => Object.keys(one[key] ?? {})))];
  const [labels, values] = [names("probabilities"), names("values")];
  const columns = ["id", "conversation", "speaker", "start", "end", "text", "label"];
  const missing = (one) => Object.entries(one.missing ?? {}).map(([stream, why]) => `${stream}: ${why}`).join("; ");
  const lines = predictions.map((one) => [
    ...columns.map((name) => one[name]),
    ...labels.map((label) => one.probabilities?.[label]),
    ...values.map((name) => one.values?.[name]),
    missing(one),
  ]);
  return [[...columns, ...labels, ...values, "missing"], ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

export function asText(kind, predictions) {
  if (kind === "srt") return subtitles(predictions);
  if (kind === "csv") return table(predictions);
  return predictions.map((one) => `${JSON.stringify(one)}\n`).join("");
}
