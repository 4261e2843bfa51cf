// The toolbar: save or copy a picture, record a film, full screen, copy a link, list the keys. A button that the browser
// or the host cannot serve is left out; a view beside others may leave out what another one offers for all.
import { h, icon, on } from "../shared/dom.js";
import { filmType, saveFilm } from "./film.js";
import { createKeyList } from "./keys.js";
import { download, fileName, pictureOf } from "./picture.js";

/** @typedef {{state: Record<string, unknown>, copy: (more: Record<string, unknown>) => Promise<string>}} Link of a page that can open in a given state: what its address holds, and a function that puts the state into the address, copies it and returns what is said */
/**
 * @typedef {Object} View
 * @property {HTMLElement} root
 * @property {import("./traits.js").Content} content
 * @property {() => import("./view_state.js").ViewState} viewState
 * @property {Pick<import("./view_state.js").Handlers, "move" | "done">} handlers
 * @property {import("./volume/camera.js").Orbit} orbit
 * @property {(text: string) => void} say - show and read aloud
 * @property {Link} [link]
 * @property {readonly string[]} [tools] - names of the buttons to offer; all by default
 */

/** @param {View} view @param {AbortSignal} signal */
export function createToolbar(view, signal) {
  const { root, content, viewState, orbit, say, link, tools } = view;
  const keyList = createKeyList();
  const element = h("div", { class: "ne-toolbar", role: "toolbar", "aria-label": "Tools" });
  /** @param {string} name @param {unknown} isOffered @param {string} title @param {string} path of the icon @param {() => unknown} act returns what is said afterwards */
  const add = (name, isOffered, title, path, act) => {
    const button = h("button", { type: "button", "data-name": name, title, "aria-label": title }, icon(path));
    const press = async () => {
      try {
        const said = await act();
        if (said && !signal.aborted) say(`${said}`);
      } catch (error) {
        button.disabled = true;
        button.title = `This browser cannot ${title} here. ${error}`;
        say(button.title);
      }
    };
    on(button, "click", press, signal);
    if (isOffered && tools?.includes(name) !== false) element.append(button);
    return button;
  };
  const save = async () => {
    download(await pictureOf(root), `${fileName(content, viewState())}.png`);
    return "Picture saved.";
  };
  const copy = async () => {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": pictureOf(root) })]);
    return "Picture copied.";
  };
  const copyLink = async () => {
    const { yaw, pitch, zoom } = orbit.camera;
    return link?.copy({ camera: [yaw, pitch, zoom] });
  };
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  // A sandboxed frame may have the functions, but not the permission; only some browsers tell.
  const policy = /** @type {any} */ (document).featurePolicy?.allowsFeature("clipboard-write") ?? true;
  const canCopy = policy && "ClipboardItem" in globalThis && navigator.clipboard;
  add("save", true, "save picture", "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11", save);
  add("copy", canCopy, "copy picture", "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3", copy);
  add("film", filmType() && content.size[0] > 1, "save film", "M2 3.5h12v9H2zM5 3.5v9M11 3.5v9", () =>
    saveFilm(view, signal),
  );
  add("link", link, "copy link", "M7 5l2-2a2.8 2.8 0 0 1 4 4l-2 2M9 11l-2 2a2.8 2.8 0 0 1-4-4l2-2M6 10l4-4", copyLink);
  const [f, keys] = [
    add("fullscreen", document.fullscreenEnabled, "full screen", "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3", fullScreen),
    add("keys", true, "keyboard shortcuts", "M5.5 6a2.5 2.5 0 1 1 3.6 2.2Q8 8.8 8 10M8 12.5v1", () =>
      showKeys(keyList.hidden),
    ),
  ];
  const showKeys = (/** @type {boolean} */ shown) => {
    if (keyList.hidden !== shown) return;
    keyList.hidden = !shown;
    keys.ariaExpanded = String(shown);
    (shown ? keyList : keys).focus();
  };
  keys.ariaExpanded = "false";
  const onKey = (/** @type {KeyboardEvent} */ { key, target, ctrlKey, metaKey, altKey }) => {
    if (key === "Escape") showKeys(false);
    if (ctrlKey || metaKey || altKey || /** @type {Element} */ (target).matches("select")) return;
    if (key === "?") keys.click();
    if (key === "f") f.click();
  };
  on(root, "keydown", onKey, signal);
  return { element, keyList };
}
