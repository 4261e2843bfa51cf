// The view as a picture: its canvases and, over them, its texts, drawn by the browser from a copy of the elements.
import { BACKGROUND, cssColour } from "../shared/colormaps.js";
import { contextOf, h } from "../shared/dom.js";
import { explained } from "./text.js";

/** Style sheets of the view, as text. @param {HTMLElement} root */
function stylesOf(root) {
  const { styleSheets, adoptedStyleSheets } = /** @type {Document | ShadowRoot} */ (root.getRootNode());
  let rules = "";
  for (const sheet of [...styleSheets, ...(adoptedStyleSheets ?? [])]) {
    try {
      for (const { cssText } of sheet.cssRules) if (cssText.includes(".ne-")) rules += cssText;
    } catch {
      // of another origin
    }
  }
  return rules;
}

/**
 * Draw the view without its controls. Rejects if the browser does not draw elements on a canvas.
 * @param {HTMLElement} root
 * @param {HTMLCanvasElement} canvas
 * @param {number} ratio canvas pixels per CSS pixel
 */
export async function drawView(root, canvas, ratio) {
  root.classList.add("ne-picture"); // hides the controls; removed before the browser paints
  const { left, top, width, height } = root.getBoundingClientRect();
  const copy = /** @type {HTMLElement} */ (root.cloneNode(true));
  const canvases = [...root.querySelectorAll("canvas")].map((part) => {
    const box = part.getBoundingClientRect();
    return /** @type {const} */ ([part, box.left - left, box.top - top, box.width, box.height]);
  });
  root.classList.remove("ne-picture");
  const { color, backgroundColor } = getComputedStyle(root);
  const colorScheme = Number(color.match(/\d+/)) > 128 ? "dark" : "light"; // by the text
  Object.assign(copy.style, { colorScheme, width: `${width}px`, background: "none" });
  for (const [k, select] of root.querySelectorAll("select").entries())
    copy.querySelectorAll("select")[k][select.selectedIndex]?.setAttribute("selected", "");
  copy.append(h("style", {}, stylesOf(root)));
  const image = new Image();
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${new XMLSerializer().serializeToString(copy)}</foreignObject></svg>`;
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const even = (/** @type {number} */ side) => 2 * Math.ceil((side * ratio) / 2); // as films need
  Object.assign(canvas, { width: even(width), height: even(height) });
  const context = contextOf(canvas);
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(ratio, ratio);
  context.fillStyle = cssColour(BACKGROUND);
  for (const [part, ...box] of canvases) {
    context.fillRect(...box);
    context.drawImage(part, ...box);
  }
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}

/** Picture of the view, twice as fine as on the page. @param {HTMLElement} root @returns {Promise<Blob>} */
export async function pictureOf(root) {
  const canvas = await drawView(root, h("canvas"), 2);
  return new Promise((done) => canvas.toBlob((blob) => done(/** @type {Blob} */ (blob))));
}

/** "ball-rolls-right-layer4.1-frame-13" @param {import("./traits.js").Content} content @param {import("./view_state.js").ViewState} view @param {string} [frame] */
export const fileName = (content, view, frame = `frame ${view.frame + 1}`) =>
  `${content.title || explained(content, view).name} ${content.layers[view.layer].name} ${frame}`
    .replace(/[^\p{L}\p{N}.]+/gu, "-")
    .replace(/^[-.]+|-+$/g, "");

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
