// A film of the view over all frames, recorded by the browser.
import { contextOf, h } from "../shared/dom.js";
import { download, drawView, fileName } from "./picture.js";
import { frameDuration } from "./player.js";

const START = 100; // ms

/** Type of film that the browser records: "mp4" or "webm"; undefined if it records none. */
export const filmType = () =>
  ["mp4", "webm"].find((type) => globalThis.MediaRecorder?.isTypeSupported(`video/${type}`));

/**
 * Save a film of all frames. The pictures are drawn first: a recorder records what it sees at the time.
 * @param {import("./toolbar.js").View} view
 * @param {AbortSignal} signal
 */
export async function saveFilm({ root, content, viewState, handlers: { move, done }, say }, signal) {
  const { frame, playing, speed } = viewState();
  const [canvas, type, frames] = [h("canvas"), filmType(), content.size[0]];
  /** @type {ImageBitmap[]} */
  const pictures = [];
  move("playing", false);
  for (let k = 0; k < frames && !signal.aborted; k++) {
    move("frame", k);
    say(`Frame ${k + 1} of ${frames} …`);
    while (root.dataset.frame !== `${k}` && !signal.aborted) await new Promise(requestAnimationFrame); // painted
    pictures.push(await createImageBitmap(await drawView(root, canvas, 1)));
  }
  move("frame", frame);
  move("playing", playing);
  done();
  const context = contextOf(canvas);
  const options = { mimeType: `video/${type}`, videoBitsPerSecond: 8e6 };
  const recorder = new MediaRecorder(canvas.captureStream(), options);
  /** @type {Blob[]} */
  const chunks = [];
  recorder.ondataavailable = ({ data }) => data.size && chunks.push(data);
  /** @param {ImageBitmap} picture @param {number} duration ms */
  const show = async (picture, duration) => {
    context.drawImage(picture, 0, 0);
    await new Promise((end) => setTimeout(end, duration));
  };
  /** Show a picture until more has been recorded. @param {ImageBitmap} picture */
  const settle = async (picture) => {
    const { length } = chunks;
    while (chunks.length === length && !signal.aborted) await show(picture, START);
  };
  recorder.start(START);
  await settle(pictures[0]); // the encoder takes a while to start
  for (const [k, picture] of pictures.entries()) await show(picture, frameDuration(content.times, k) / speed);
  await settle(pictures[frames - 1]); // and to finish
  recorder.stop();
  await new Promise((end) => {
    recorder.onstop = end;
  });
  for (const picture of pictures) picture.close();
  if (signal.aborted) return "";
  download(new Blob(chunks, { type: options.mimeType }), `${fileName(content, viewState(), "")}.${type}`);
  return "Film saved.";
}
