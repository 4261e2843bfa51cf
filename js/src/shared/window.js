// Windows of grey clips: their values, which Python sends beside the JPEGs, drawn between any two limits.
import { contextOf, h } from "./dom.js";
import { bytesOf, isNumbers, need } from "./validate.js";

/**
 * How the frames show the clip's values; wire/picture.py describes the fields. A clip of colours has none of them.
 * @typedef {{kind?: string, range?: number[], low?: number, high?: number, step?: number, size?: number[], data?: any}} PictureState
 */
/** @typedef {{range: number[], low: number, high: number, step: number, size: number[], data: Uint8Array<ArrayBuffer>}} GreyValues */
/** @typedef {ImageBitmap | HTMLCanvasElement} FramePicture */

/** Read and check the picture of a clip. @param {any} picture @returns {PictureState} */
export function readPicture(picture) {
  const { kind, range, low, high, step, size, data } = picture ?? {};
  if (!kind) return {}; // clips of colours, older files
  const hasValues = data !== undefined;
  need(
    isNumbers(range, 2) &&
      range[0] < range[1] &&
      (!hasValues || (isNumbers([low, high, step, ...(size ?? [])], 5) && step > 0)),
    "`picture` must have an increasing range and, with data, low, high, step above 0, height and width",
    { range, low, high, step, size },
  );
  return hasValues ? { kind, range, low, high, step, size, data: bytesOf(data, "picture.data") } : { kind, range };
}

/** Values of a grey clip; undefined if there are none. @param {PictureState} [picture] @returns {GreyValues | undefined} */
export const greyValues = (picture) => (picture?.data ? /** @type {any} */ (picture) : undefined);

/** Codes of all values. @param {GreyValues} values */
async function decodeCodes({ data }) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const codes = new Uint16Array(bytes.length / 2);
  let code = 0;
  for (let k = 0; k < codes.length; k++) {
    code += bytes[k] + 256 * bytes[codes.length + k];
    codes[k] = code; // modulo 65536
  }
  return codes;
}

/**
 * Pictures of all frames that follow the window; those of other clips do not change.
 * @param {ImageBitmap[]} bitmaps the frames in the clip's own range
 * @param {PictureState} [picture]
 * @returns {Promise<{pictures: FramePicture[], show: (window: number[] | null) => void}>}
 */
export async function createWindowedFrames(bitmaps, picture) {
  const values = greyValues(picture);
  if (!values) return { pictures: bitmaps, show() {} };
  const { low, step, size } = values;
  const codes = await decodeCodes(values);
  const pictures = bitmaps.map(({ width, height }) => h("canvas", { width, height }));
  const small = h("canvas", { width: size[1], height: size[0] });
  const image = contextOf(small).createImageData(size[1], size[0]);
  const pixels = new Uint32Array(image.data.buffer);
  const colourOf = new Uint32Array(1 << 16); // of each code
  let shown = "";
  return {
    pictures,
    show(window) {
      if (shown === String(window)) return;
      shown = String(window);
      for (let k = 0; window && k < colourOf.length; k++) {
        const grey = Math.round((255 * (low + step * k - window[0])) / (window[1] - window[0]));
        colourOf[k] = 0xff000000 + 0x10101 * Math.min(Math.max(grey, 0), 255);
      }
      for (const [f, canvas] of pictures.entries()) {
        const context = contextOf(canvas);
        if (window) {
          for (let k = 0; k < pixels.length; k++) pixels[k] = colourOf[codes[f * pixels.length + k]];
          contextOf(small).putImageData(image, 0, 0);
        }
        context.drawImage(window ? small : bitmaps[f], 0, 0, canvas.width, canvas.height);
      }
    },
  };
}
