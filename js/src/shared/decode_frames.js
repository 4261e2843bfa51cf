// Decoding of the clip's frames, which arrive as JPEGs.
import { StateError } from "./validate.js";

/**
 * Decode all frames. Rejects with a StateError if one of them is no JPEG, after closing the others.
 * @param {Uint8Array<ArrayBuffer>[]} frames
 * @returns {Promise<ImageBitmap[]>}
 */
export async function decodeFrames(frames) {
  const results = await Promise.allSettled(
    frames.map(async (bytes) => createImageBitmap(new Blob([bytes], { type: "image/jpeg" }))),
  );
  const failed = results.findIndex(({ status }) => status === "rejected");
  const bitmaps = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  if (failed < 0) return bitmaps;
  for (const bitmap of bitmaps) bitmap.close();
  throw new StateError(`\`frames[${failed}]\` could not be read as a JPEG image`);
}
