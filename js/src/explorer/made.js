// What a method makes beside tubes and a pyramid: a clip that plays, or a figure.
import { contextOf, h, isReducedMotion, onAbort } from "../shared/dom.js";
import { createPlayButton } from "../shared/play_button.js";
import { bytesOf } from "../shared/validate.js";
import { createPlayer } from "../tubes/player.js";
import { isFull } from "./traits.js";

const PACE = 125; // ms per frame

/** @param {DataView} bytes @param {string} type */
const blobOf = (bytes, type) => new Blob([bytesOf(bytes, "picture")], { type });

/** @param {AbortSignal} signal */
export function createMade(signal) {
  const image = h("img", { class: "ne-figure" });
  const canvas = h("canvas", { class: "ne-animation", role: "img" });
  const text = h("p", {});
  const rows = h("dl", { class: "ne-made-rows" });
  const view = { frame: 0, playing: !isReducedMotion(), speed: 1 };
  const play = createPlayButton(() => {
    view.playing = !view.playing;
    show();
  }, signal);
  const element = h("div", { class: "ne-made" }, image, canvas, play.button, text, rows);
  /** @type {ImageBitmap[]} */
  let frames = [];
  /** @type {[any, any]} */
  let shown = [null, null];
  let address = "";
  let lifetime = new AbortController();
  const close = () => {
    lifetime.abort();
    for (const bitmap of frames) bitmap.close();
    URL.revokeObjectURL(address);
    frames = [];
  };
  onAbort(signal, close);
  let schedule = () => {};
  const show = () => {
    play.show(view.playing);
    const bitmap = frames[view.frame];
    if (bitmap) {
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      contextOf(canvas).drawImage(bitmap, 0, 0);
    }
    schedule();
  };
  return {
    element,
    isFull: () => shown.some(isFull),
    /** @param {import("./traits.js").ExplorerState} state */
    show({ animation, figure }) {
      if (animation === shown[0] && figure === shown[1]) return;
      close();
      shown = [animation, figure];
      const made = /** @type {Partial<import("./traits.js").Animation & import("./traits.js").Figure>} */ ({
        ...figure,
        ...animation,
      });
      image.hidden = !made.png;
      canvas.hidden = play.button.hidden = !made.frames;
      text.textContent = image.alt = canvas.ariaLabel = made.text ?? "";
      rows.replaceChildren(...(made.rows ?? []).flatMap(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]));
      if (made.png) image.src = address = URL.createObjectURL(blobOf(made.png, "image/png"));
      const { frames: jpegs } = made;
      if (!jpegs) return;
      lifetime = new AbortController();
      const current = lifetime.signal;
      view.frame = 0;
      const showFrame = (/** @type {number} */ frame) => {
        view.frame = frame;
        show();
      };
      Promise.all(jpegs.map((bytes) => createImageBitmap(blobOf(bytes, "image/jpeg")))).then(
        (bitmaps) => {
          if (current.aborted) return;
          frames = bitmaps;
          schedule = createPlayer(
            () => view,
            frames.length,
            () => PACE,
            showFrame,
            current,
          );
          show();
        },
        () => {
          text.textContent = "This clip could not be read.";
        },
      );
    },
  };
}
