// Decoding of the maps, as notebook_explain/widgets/wire/tubes.py packs them: two bytes per value in small maps, one in large.

/** Value of each byte. The steps are finer near 0, so that weak evidence in a large map keeps its sign and its share. */
const VALUES = Float32Array.from({ length: 256 }, (_, byte) => {
  const part = ((byte << 24) >> 24) / 127;
  return Math.sign(part) * Math.abs(part) ** 2.5;
});

/**
 * Decode one layer's map.
 * @param {import("./traits.js").LayerState} layer
 * @param {Uint8Array} bytes the maps of all layers for one target
 * @returns {Float32Array} [time, height, width], fractions -1..1 of the layer's scale
 */
export function decodeMap({ offset, shape, bytes: width }, bytes) {
  const packed = bytes.subarray(offset, offset + width * shape[0] * shape[1] * shape[2]);
  if (width === 1) return Float32Array.from(packed, (byte) => VALUES[byte]);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return Float32Array.from({ length: packed.length / 2 }, (_, k) => view.getInt16(2 * k, true) / 32767);
}
