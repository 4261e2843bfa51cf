// Shapes that the brush makes, in pixels of the clip, and the edits that they stand for.

/** @typedef {"box" | "ellipse" | "free"} Tool */
/** @typedef {{tool: Tool, box: number[], points: number[][]}} Shape `box`: left, top, right, bottom; `points`: of a free-hand shape */
/** @typedef {{frames: [number, number] | null, fill: string, outside: boolean}} Fill the frames that an edit covers, what it fills the region with, and which side */

const LEAST = 2; // pixels: a smaller shape is a click
const APART = 1.5; // pixels between the points of a free-hand shape

/** The box around two corners, in whole pixels inside the picture. @param {number[]} one @param {number[]} other @param {number[]} size [height, width] */
export function boxAround([x0, y0], [x1, y1], [height, width]) {
  const inside = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  return [
    inside(Math.floor(Math.min(x0, x1)), width),
    inside(Math.floor(Math.min(y0, y1)), height),
    inside(Math.ceil(Math.max(x0, x1)), width),
    inside(Math.ceil(Math.max(y0, y1)), height),
  ];
}

/** The shape of a gesture so far; null while it is no more than a click. @param {Tool} tool @param {number[][]} path positions of the pointer @param {number[]} size [height, width] @returns {Shape | null} */
export function shapeOf(tool, path, size) {
  const xs = path.map(([x]) => x);
  const ys = path.map(([, y]) => y);
  const corners =
    tool === "free"
      ? [
          [Math.min(...xs), Math.min(...ys)],
          [Math.max(...xs), Math.max(...ys)],
        ]
      : [path[0], path[path.length - 1]];
  const box = boxAround(corners[0], corners[1], size);
  if (box[2] - box[0] < LEAST || box[3] - box[1] < LEAST) return null;
  if (tool !== "free") return { tool, box, points: [] };
  const [height, width] = size;
  /** @type {number[][]} */
  const points = [];
  for (const [x, y] of path) {
    const point = [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)].map(
      (part) => Math.round(2 * part) / 2,
    );
    const last = points[points.length - 1];
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= APART) points.push(point);
  }
  return points.length < 3 ? null : { tool, box, points };
}

/** The box that keys begin with: the middle of the picture. @param {number[]} size [height, width] */
export const middleBox = ([height, width]) =>
  boxAround([width / 3, height / 3], [(2 * width) / 3, (2 * height) / 3], [height, width]);

/** A box moved, or with its right and lower sides moved, inside the picture. @param {number[]} box @param {number} dx @param {number} dy @param {boolean} isSize @param {number[]} size [height, width] */
export function movedBox([left, top, right, bottom], dx, dy, isSize, [height, width]) {
  const between = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.min(Math.max(value, low), high);
  if (isSize) return [left, top, between(right + dx, left + LEAST, width), between(bottom + dy, top + LEAST, height)];
  const [x, y] = [between(dx, -left, width - right), between(dy, -top, height - bottom)];
  return [left + x, top + y, right + x, bottom + y];
}

/** The edit that hides a shape; fields with their default are left out. @param {Shape} shape @param {Fill} fill @returns {import("./traits.js").Edit} */
export function occlusionOf({ tool, box, points }, { frames, fill, outside }) {
  const region = tool === "free" ? { polygon: points } : { box, ...(tool === "ellipse" ? { shape: "ellipse" } : {}) };
  return { edit: "Occlude", ...region, ...(frames ? { frames } : {}), fill, ...(outside ? { outside } : {}) };
}

/** Attribute "d" of the shape's outline. @param {Shape} shape */
export function outlineOf({ tool, box: [left, top, right, bottom], points }) {
  if (tool === "free") return `M${points.map((point) => point.join(" ")).join("L")}Z`;
  if (tool === "box") return `M${left} ${top}H${right}V${bottom}H${left}Z`;
  const [rx, ry] = [(right - left) / 2, (bottom - top) / 2];
  const arc = `A${rx} ${ry} 0 1 1`;
  return `M${left} ${top + ry}${arc} ${right} ${top + ry}${arc} ${left} ${top + ry}Z`;
}
