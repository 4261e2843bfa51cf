// The state of a widget in the address of its page, so that a link opens the page as it is now.

/** @typedef {ReturnType<typeof createLink>} Link */

/** Whether the address can hold a value of a state: no list, no image, no text that is shown. @param {string} name @param {unknown} value */
const isShort = (name, value) => name !== "title" && (value === null || typeof value !== "object");

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // a plain word
  }
}

/**
 * The state of a widget in the address of its page: "#frame=9&layer=2", for the second widget "#1.frame=9".
 * @param {Window} view
 * @param {number} index of the widget
 */
export function createLink(view, index) {
  const prefix = index ? `${index}.` : "";
  const read = () => new URLSearchParams(view.location.hash.slice(1));
  const entries = [...read()].filter(([key]) => key.startsWith(prefix) && (index || !key.includes(".")));
  /** @type {Record<string, any>} */
  const state = Object.fromEntries(entries.map(([key, text]) => [key.slice(prefix.length), parse(text)]));
  return {
    state,
    /** The values of the address that a widget's own state can take. @param {Record<string, any>} own */
    valuesFor: (own) =>
      Object.fromEntries(
        Object.entries(state).filter(
          ([name, value]) => name in own && isShort(name, own[name]) && isShort(name, value),
        ),
      ),
    /** Put everything that differs from the page's own state into the address, and copy it; returns what was done. @param {{get: (name: string) => any}} model @param {Record<string, any>} own @param {Record<string, any>} more */
    async copy(model, own, more) {
      const parts = read();
      const values = Object.keys(own).map((name) => [name, model.get(name)]);
      for (const [name, value] of [
        ...values.filter(([name, value]) => isShort(name, value)),
        ...Object.entries(more),
      ]) {
        parts.delete(prefix + name);
        const text = typeof value === "string" ? value : JSON.stringify(value);
        if (value !== own[name]) parts.set(prefix + name, text);
      }
      view.history.replaceState(null, "", `#${parts}`);
      try {
        await view.navigator.clipboard.writeText(view.location.href);
        return "Link copied; it is in the address bar, too.";
      } catch {
        return "The link is in the address bar.";
      }
    },
  };
}
