// Microphone and camera: opened, read, closed, and what to say where that does not work.

import { make } from "./parts.js";

const SIDE = 480; // pixels of a picture's longer side
const QUALITY = 0.75;
const PICTURE = 2; // what the first byte of a message says that it holds
// The sound as a recording has it: a model that was trained on recordings goes by loudness and noise as they are.
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

// Why this page cannot hear anything, or nothing.
export function obstacle() {
  if (!window.isSecureContext) {
    const port = location.port || 80;
    return `Browsers give the microphone to secure pages alone, and this one is not. Open it at http://localhost:${port} on the machine that serves it (from another one through ssh -L ${port}:localhost:${port} and its name), or put the server behind HTTPS.`;
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    return "This browser gives pages no microphone. Use a current Firefox, Chrome, Edge or Safari.";
  }
  return "";
}

function reason(error, device) {
  return {
    NotAllowedError: `The browser does not give the ${device}: somebody or a setting said no. Allow it for this page beside its address`,
    NotFoundError: `No ${device} is connected. Connect one`,
    NotReadableError: `The ${device} cannot be read, perhaps because another program uses it. Close that program`,
  }[error.name] ?? `The ${device} cannot be opened (${error.message || error.name}). Try another browser`;
}

async function open(device, constraints) {
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw new Error(reason(error, device));
  }
}

export class Microphone {
  // Raises an Error whose message is a sentence without its full stop.
  static async open() {
    const stream = await open("microphone", { audio: AS_IT_IS });
    const context = new AudioContext();
    try {
      await context.resume();
      await context.audioWorklet.addModule(new URL("sound-worklet.js", import.meta.url));
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      context.close();
      throw new Error(`The browser cannot compute sound (${error.message}). Try another browser`);
    }
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    Object.assign(this, { stream, context });
    [this.track] = stream.getAudioTracks();
  }

  // Give the sound from now on to `hear`, a message of a tenth of a second after the other.
  start(hear) {
    this.began = this.context.currentTime;
    this.node = new AudioWorkletNode(this.context, "sound", { numberOfInputs: 1, channelCount: 2 });
    this.node.port.onmessage = (event) => hear(event.data);
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    this.node.connect(this.context.destination); // silent: what leads nowhere may not be computed
  }

  // Seconds of sound since the start.
  get seconds() {
    return this.context.currentTime - this.began;
  }

  close() {
    if (this.node) this.node.port.onmessage = null;
    this.track.stop();
    this.context.close();
  }
}

export class Camera {
  // Raises an Error whose message is a sentence without its full stop.
  static async open(preview) {
    const stream = await open("camera", { video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
    preview.srcObject = stream;
    await preview.play().catch(() => {});
    return new Camera(stream, preview);
  }

  constructor(stream, preview) {
    Object.assign(this, { stream, preview });
    [this.track] = stream.getVideoTracks();
    this.canvas = make("canvas");
  }

  // What the camera sees, as a JPEG file; null while it shows nothing, or the one before is not done.
  async picture() {
    const { videoWidth: width, videoHeight: height } = this.preview;
    if (!width || this.busy) return null;
    this.busy = true;
    const scale = Math.min(1, SIDE / Math.max(width, height));
    this.canvas.width = Math.round(scale * width);
    this.canvas.height = Math.round(scale * height);
    this.canvas.getContext("2d").drawImage(this.preview, 0, 0, this.canvas.width, this.canvas.height);
    const file = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    this.busy = false;
    return file;
  }

  close() {
    this.track.stop();
    this.preview.srcObject = null;
  }
}

// A picture as the server takes it, with the time at which it was taken.
export async function pictureMessage(file, seconds) {
  const jpeg = new Uint8Array(await file.arrayBuffer());
  const message = new DataView(new ArrayBuffer(9 + jpeg.length));
  message.setUint8(0, PICTURE);
  message.setFloat64(1, seconds, true);
  new Uint8Array(message.buffer, 9).set(jpeg);
  return message.buffer;
}
