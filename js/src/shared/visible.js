// Which elements can be seen: only those need to be drawn.
import { onAbort } from "./dom.js";

/** Whether an element is near the part of the page that is seen. @param {Element[]} elements @param {() => void} changed @param {AbortSignal} signal */
export function watchVisible(elements, changed, signal) {
  if (typeof IntersectionObserver === "undefined") return () => true;
  /** @type {Set<Element>} */
  const seen = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
      changed();
    },
    { rootMargin: "300px" },
  );
  for (const element of elements) observer.observe(element);
  onAbort(signal, () => observer.disconnect());
  return (/** @type {Element} */ element) => seen.has(element);
}
