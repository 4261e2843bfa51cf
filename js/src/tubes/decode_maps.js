// Decoding of the maps, as notebook_explain/widgets/wire/tubes.py packs them: two bytes per value in small maps, one in large.

/**
 * Decode one layer's map.
 * @param {import("./traits.js").LayerState} layer
 * @param {number} target
 * @param {Uint8Array} bytes the maps of all layers for this target
 * @returns {Float32Array} [time, height, width], fractions -1..1 of the layer's scale
 */
export function decodeMap({ offset, shape, bytes: width, levels }, target, bytes) {
  const packed = bytes.subarray(offset, offset + width * shape[0] * shape[1] * shape[2]);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (width === 2)
    return Float32Array.from({ length: packed.length / 2 }, (_, k) => view.getInt16(2 * k, true) / 32767);
  const values = Float32Array.from({ length: 256 }, (_, byte) => {
    const code = (byte << 24) >> 24;
    return Math.sign(code) * (levels[target][Math.abs(code)] ?? 1);
  });
  return Float32Array.from(packed, (byte) => values[byte]);
}
