// Data of a page, unpacked: notebook_explain/widgets/page_data.py packs it.

/**
 * Unpack plain values; bytes become DataViews.
 * @param {string} text base64 of a gzip stream: length of the JSON (uint32), JSON, bytes that it refers to
 * @returns {Promise<any>}
 */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).arrayBuffer();
  const length = new DataView(data).getUint32(0, true);
  const header = new TextDecoder().decode(new Uint8Array(data, 4, length));
  return JSON.parse(header, (_, value) => {
    if (!Array.isArray(value?.$bytes)) return value;
    const [offset, size] = value.$bytes;
    return new DataView(data, 4 + length + offset, size);
  });
}
