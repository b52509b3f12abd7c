// Whether a stream can be heard.
const SILENCE = 0.004; // of 1; root mean square
const HOLD_MS = 250; // what is shorter belongs to the word

export class Hearing {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples = new Float32Array(this.#analyser.fftSize);
  #last = -Infinity;

  constructor(stream) {
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
  }

  sounding() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, each) => sum + each * each, 0) / this.#samples.length;
    if (Math.sqrt(power) > SILENCE) this.#last = performance.now();
    return performance.now() - this.#last < HOLD_MS;
  }

  close() {
    this.#context.close();
  }
}
