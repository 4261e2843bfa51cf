// A cache that keeps the values used last.

/**
 * @template T
 * @param {number} limit number of values kept
 */
export function createLruCache(limit) {
  /** From the value unused longest to the one used last. @type {Map<string, T>} */
  const values = new Map();
  return {
    /** @param {string} key */
    get(key) {
      const value = values.get(key);
      if (value !== undefined) {
        values.delete(key); // move to the end
        values.set(key, value);
      }
      return value;
    },
    /** @param {string} key @param {T} value */
    set(key, value) {
      values.set(key, value);
      for (const oldest of values.keys()) if (values.size > limit) values.delete(oldest);
    },
  };
}
