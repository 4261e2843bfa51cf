// A fake model that counts messages, and a small, complete state.

/** A model like anywidget's, without a kernel; `saved` counts the messages that would be sent. */
export class FakeModel {
  constructor(state) {
    this.state = state;
    this.listeners = {};
    this.saved = 0;
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listener of [...(this.listeners[`change:${name}`] ?? [])]) listener();
  }
  save_changes() {
    this.saved++;
  }
  on(event, listener) {
    this.listeners[event] ??= [];
    this.listeners[event].push(listener);
  }
  off(event, listener) {
    this.listeners[event] = (this.listeners[event] ?? []).filter((other) => other !== listener);
  }
  get listening() {
    return Object.values(this.listeners).flat().length;
  }
}

/** Geometry of a map that divides the clip evenly, as Geometry.even does. */
export function even(shape, size) {
  const step = size.map((whole, axis) => whole / shape[axis]);
  return {
    rows: Array.from({ length: shape[0] }, (_, k) => (k + 0.5) * step[0] - 0.5),
    origin: [(step[1] - 1) / 2, (step[2] - 1) / 2],
    step: [step[1], step[2]],
  };
}

export function layerOf(name, shape, size, offset, targets = 1) {
  return {
    name,
    kind: "block",
    pathway: null,
    shape,
    offset,
    bytes: 1,
    levels: Array(targets).fill(Array.from({ length: 128 }, (_, code) => (code / 127) ** 2.5)),
    scale: Array(targets).fill(2),
    geometry: even(shape, size),
    gap: Array(targets).fill(null),
    caveats: [],
    unaccounted: Array(targets).fill(""),
  };
}

/** A view into a larger buffer, as from a websocket: byteOffset is not 0. */
export function viewOf(bytes) {
  const whole = new Uint8Array(bytes.length + 7);
  whole.set(bytes, 5);
  return new DataView(whole.buffer, 5, bytes.length);
}

/** Two frame signals of four frames: the factors of a gate, and the frames that a stream keeps. */
export const FRAME_SIGNALS = [
  {
    name: "layer2",
    kind: "SRTG",
    what: "each frame is multiplied by",
    values: [0.5, 1.25],
    rows: [0.5, 2.5],
    neutral: 1,
  },
  { name: "", kind: "<b>Net</b>", what: "frames kept", values: [0, 1, 1, 0], rows: [0, 1, 2, 3], neutral: null },
];

/** Four frames of 4x6 pixels, two layers (2x2x3 and 1x1x1), two targets. */
export function smallState(changes = {}) {
  const size = [4, 4, 6];
  const first = [0, 10, 127, -127, 50, 0, 0, 20, 90, -90, 60, 0];
  const packed = (sign) => {
    const bytes = new DataView(new ArrayBuffer(14));
    for (const [k, code] of first.entries()) bytes.setInt8(k, sign * code);
    bytes.setInt16(12, sign * 16384, true);
    return viewOf(new Uint8Array(bytes.buffer));
  };
  return {
    title: "a small clip",
    size,
    times: [0, 0.1, 0.2, 0.3],
    frames: [1, 2, 3, 4].map((frame) => viewOf(Uint8Array.of(frame))),
    layers: [layerOf("stem", [2, 2, 3], size, 0, 2), { ...layerOf("last", [1, 1, 1], size, 12, 2), bytes: 2 }],
    maps: [packed(1), packed(-1)],
    targets: [
      { name: "wave", logit: 3, probability: 0.93, rival: { name: "<i>clap</i>", probability: 0.04 }, best: [] },
      { name: "<b>clap</b>", logit: 1.25, probability: null, rival: null, best: [] },
    ],
    caveats: ["The preprocessing was guessed."],
    frame: 1,
    layer: 0,
    threshold: 0.4,
    target: 0,
    against: null,
    playing: false,
    speed: 1,
    mode: "tube",
    sign: "both",
    scale: "clip",
    colours: "diverging",
    opacity: 0.6,
    frame_signals: [],
    frame_signal: null,
    ...changes,
  };
}

/** A 2D context that draws nothing and records the images it is given (jsdom has no canvas). */
export const context2d = (drawn = []) => ({
  createImageData: (width, height) => ({ data: new Uint8ClampedArray(width * height * 4), width, height }),
  putImageData() {},
  clearRect() {},
  fillRect() {},
  drawImage: (picture) => drawn.push(picture),
  fillText() {},
  strokeRect() {},
  scale() {},
  measureText: () => ({ width: 40 }),
  beginPath() {},
  moveTo() {},
  lineTo() {},
  fill() {},
  stroke() {},
  setLineDash() {},
});

/** Decode the JSON of an example; bytes are stored as {"$b64": "..."}. @param {any} value @returns {any} */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$b64 === "string")
    return new DataView(Uint8Array.from(atob(value.$b64), (char) => char.charCodeAt(0)).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decode(part)]));
}
