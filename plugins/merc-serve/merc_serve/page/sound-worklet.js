// Runs where the browser computes sound: takes the microphone's, and gives messages of a tenth of a second for the server.

import { Resampler } from "./resample.js";

const RATE = 16000;
const SAMPLES = RATE / 10;
const SOUND = 1; // what the first byte of a message says that it holds

class Sound extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.begin();
  }

  begin() {
    this.message = new DataView(new ArrayBuffer(1 + 2 * SAMPLES));
    this.message.setUint8(0, SOUND);
    this.count = 0;
    this.peak = 0;
  }

  process([channels]) {
    const length = channels.length ? channels[0].length : 128; // a microphone that gives nothing is silent meanwhile
    const mono = new Float32Array(length);
    for (const channel of channels) for (let at = 0; at < length; at++) mono[at] += channel[at] / channels.length;
    for (const sample of this.resampler.push(mono)) {
      const loud = Math.max(-1, Math.min(1, sample));
      this.peak = Math.max(this.peak, Math.abs(loud));
      this.message.setInt16(1 + 2 * this.count++, Math.round(32767 * loud), true);
      if (this.count === SAMPLES) {
        this.port.postMessage({ message: this.message.buffer, peak: this.peak }, [this.message.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("sound", Sound);
