// Flow: how far the pixels of a made clip move from one frame to the next, as arrows on a coarse grid.
import { contextOf } from "../shared/dom.js";
import { StateError } from "../shared/validate.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{codes: Int8Array, shape: number[], unit: number, times: number}} Flow `unit`: pixels of a code; `times`: how much longer than the movement arrows are drawn */

const CODES = 127;
const LONGEST = 2; // cells
const SHORTEST = 0.25; // cells; shorter arrows are not drawn
const ROUND = [1, 2, 5];
const [INNER, OUTER] = ["#ffd83d", "#000c"]; // seen on light and on dark frames

/** The largest of 1, 2, 5, 10, 20 ... that is at most a number above 0; 1 below 1. @param {number} value */
export function roundFactor(value) {
  if (!(value > 1)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return ten * Math.max(...ROUND.filter((one) => one * ten <= value * (1 + 1e-9)));
}

/** How many times longer than the movement to draw arrows, so that the longest one stays among its neighbours. @param {Int8Array} codes @param {number} unit @param {number} cell pixels of a cell */
export function factorOf(codes, unit, cell) {
  let longest = 0;
  for (let k = 0; k < codes.length; k += 2) longest = Math.max(longest, Math.hypot(codes[k], codes[k + 1]));
  return longest ? roundFactor((LONGEST * cell) / (longest * unit)) : 1;
}

/** Decompress the flow of each made clip, null where there is none. Rejects with a StateError if one has another size. @param {Pick<Content, "flows" | "rows" | "size">} content @returns {Promise<(Flow | null)[]>} */
export async function decodeFlows({ flows, rows, size }) {
  return Promise.all(
    rows.map(async ({ flow }, k) => {
      if (!flow) return null;
      const stream = new Blob([flows[k]]).stream().pipeThrough(new DecompressionStream("deflate"));
      const bytes = await new Response(stream).arrayBuffer().catch(() => new ArrayBuffer(0));
      const length = 2 * flow.shape.reduce((product, cells) => product * cells, 1);
      if (bytes.byteLength !== length) throw new StateError(`\`flows[${k}]\` must hold ${length} bytes, compressed`);
      const codes = new Int8Array(bytes);
      const unit = flow.scale / CODES;
      const cell = Math.min(size[1] / flow.shape[1], size[2] / flow.shape[2]);
      return { codes, shape: flow.shape, unit, times: factorOf(codes, unit, cell) };
    }),
  );
}

/**
 * Arrows of a frame: start and end, in shares of the width and the height.
 * @param {Flow} flow @param {number[]} size of the clip @param {number} frame
 * @returns {number[][]} [x, y, right, down]
 */
export function arrowsOf({ codes, shape: [moves, rows, columns], unit, times }, [, height, width], frame) {
  if (frame >= moves) return []; // no frame follows the last one
  const cell = Math.min(height / rows, width / columns);
  const arrows = [];
  for (let y = 0, k = 2 * frame * rows * columns; y < rows; y++)
    for (let x = 0; x < columns; x++, k += 2) {
      const [right, down] = [codes[k] * unit * times, codes[k + 1] * unit * times];
      if (Math.hypot(right, down) < SHORTEST * cell) continue;
      arrows.push([(x + 0.5) / columns, (y + 0.5) / rows, right / width, down / height]);
    }
  return arrows;
}

/** Draw arrows over the whole of a canvas, each with a dark edge. @param {HTMLCanvasElement} canvas @param {number[][]} arrows */
export function drawArrows(canvas, arrows) {
  const context = contextOf(canvas);
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const unit = Math.max(width, height) / 180;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const [colour, line] of /** @type {[string, number][]} */ ([
    [OUTER, 3.2],
    [INNER, 1.3],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = line * unit;
    context.beginPath();
    for (const [x, y, right, down] of arrows) addArrow(context, x * width, y * height, right * width, down * height);
    context.stroke();
  }
}

/** Add an arrow that is centred on a point. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} right @param {number} down */
function addArrow(context, x, y, right, down) {
  const [endX, endY] = [x + right / 2, y + down / 2];
  context.moveTo(x - right / 2, y - down / 2);
  context.lineTo(endX, endY);
  // The head: a third of the arrow, half as wide.
  const [backX, backY] = [endX - right / 3, endY - down / 3];
  context.moveTo(backX - down / 4, backY + right / 4);
  context.lineTo(endX, endY);
  context.lineTo(backX + down / 4, backY - right / 4);
}
