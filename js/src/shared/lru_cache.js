// A few things at hand: of those made, the ones used last.

/**
 * @template T
 * @param {number} most
 */
export function createRecent(most) {
  /** @type {Map<string, T>} */
  const made = new Map();
  return {
    /** @param {string} key */
    get(key) {
      const found = made.get(key);
      if (found !== undefined) {
        made.delete(key); // the one used last stands last
        made.set(key, found);
      }
      return found;
    },
    /** @param {string} key @param {T} value */
    set(key, value) {
      made.set(key, value);
      for (const old of made.keys()) if (made.size > most) made.delete(old);
    },
  };
}
