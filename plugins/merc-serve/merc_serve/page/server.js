// What the page asks the server.

import { $ } from "./parts.js";

export async function ask(path, options = {}) {
  const key = $("key").value;
  const headers = { ...(options.headers ?? {}), ...(key ? { authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`The server answered ${response.status} without JSON.`);
  }
  if (response.status === 401) {
    $("key-field").hidden = false;
    throw new Error($("key").value ? "The server does not know this key." : "This server wants a key: write it into the field Key.");
  }
  if (!response.ok) throw new Error(body.error ?? `The server answered ${response.status}.`);
  return body;
}

// A WebSocket beside the page. A browser cannot give it a header, so that the key stands in its address.
export function connect(path) {
  const address = new URL(path, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  if ($("key").value) address.searchParams.set("key", $("key").value);
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  return socket;
}
