// Sound at another rate, as it comes: each new sample is a sum over the old ones around it, weighted by a windowed sinc
// that lets nothing through which the new rate cannot hold.

const ZEROS = 16; // of the sinc, on each side
const PASS = 0.92; // of the highest frequency that both rates hold

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

export class Resampler {
  constructor(from, to) {
    const common = divisor(from, to);
    this.phases = to / common; // a new sample lies at one of so many places between two old ones
    this.step = from / common; // and the next lies so many of these places further
    const cut = PASS * Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / cut);
    this.kernels = Array.from({ length: this.phases }, (_, phase) => kernel(phase / this.phases, cut, this.half));
    this.held = new Float32Array(this.half); // silence before the first sample
    this.place = 0; // of the next new sample, in places from the first old one that is not context alone
  }

  // The new samples that are known once these old ones are.
  push(samples) {
    const old = new Float32Array(this.held.length + samples.length);
    old.set(this.held);
    old.set(samples, this.held.length);
    const given = [];
    let at = Math.floor(this.place / this.phases);
    for (; at + 2 * this.half < old.length; at = Math.floor(this.place / this.phases)) {
      const weights = this.kernels[this.place % this.phases];
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap] * old[at + tap];
      given.push(sum);
      this.place += this.step;
    }
    const used = Math.min(at, old.length);
    this.held = old.slice(used);
    this.place -= used * this.phases;
    return given;
  }
}

// Weights of the old samples from `half` before a place to `half` after it, which lies `part` of a sample beyond one.
function kernel(part, cut, half) {
  const weights = Float32Array.from({ length: 2 * half + 1 }, (_, tap) => {
    const distance = tap - half - part;
    const sinc = distance === 0 ? 1 : Math.sin(Math.PI * cut * distance) / (Math.PI * cut * distance);
    return sinc * Math.cos((Math.PI / 2) * Math.min(1, Math.abs(distance) / (half + 1))) ** 2;
  });
  const sum = weights.reduce((total, one) => total + one, 0);
  return weights.map((one) => one / sum);
}
