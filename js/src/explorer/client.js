// Messages to the kernel and back. Requests that follow a gesture are coarse: one is in flight, the newest waits, the others
// are dropped. A settled request ends what is in work. Nothing is sent again by itself.
import { listen, onAbort } from "../shared/dom.js";

/** @typedef {import("./traits.js").ExplorerModel} ExplorerModel */
/** @typedef {{type: string, settled?: boolean, [name: string]: any}} Content of a message, without session and id */
/** @typedef {"done" | "error" | "superseded" | "cancelled"} End */
/** @typedef {{kernel: "none" | "silent" | "ready", heard: boolean}} Connection `silent`: nothing answers; `heard`: something has answered before */
/**
 * @typedef {Object} Callbacks
 * @property {(message: Record<string, any>, content: Content) => void} part - a result of a request, which goes on
 * @property {(end: End, words: string, content: Content, isNewest: boolean) => void} end - a request has ended; `isNewest`: a request, and no newer one is open or waits
 * @property {() => void} changed - the connection has changed
 */

const SILENCE = 2000; // ms without a message before the kernel is asked, and then before it counts as gone

/** Replace each {"$buffer": k} by the k-th buffer. @param {any} value @param {DataView[]} buffers @returns {any} */
export function restoreBuffers(value, buffers) {
  if (Array.isArray(value)) return value.map((part) => restoreBuffers(part, buffers));
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  if (Number.isInteger(value.$buffer)) return buffers[value.$buffer];
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, restoreBuffers(part, buffers)]));
}

/**
 * @param {ExplorerModel} model
 * @param {Callbacks} callbacks
 * @param {AbortSignal} signal
 */
export function createClient(model, { part, end, changed }, signal) {
  const session = Array.from({ length: 2 }, () => Math.random().toString(36).slice(2)).join("");
  /** Requests without an end, by id. @type {Map<number, Content>} */
  const open = new Map();
  /** The newest request, while a coarse one is in flight. @type {Content | null} */
  let pending = null;
  let [lastId, newestShown] = [0, 0];
  let isAsked = false;
  /** @type {Connection} */
  let connection = { kernel: "ready", heard: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  onAbort(signal, () => clearTimeout(timer));

  /** @param {Partial<Connection>} now */
  const connect = (now) => {
    const { kernel, heard } = connection;
    connection = { ...connection, ...now };
    if (kernel !== connection.kernel || heard !== connection.heard) changed();
  };
  /** @param {Content} content */
  const post = (content) => {
    const id = ++lastId;
    send({ session, id, ...content });
    return id;
  };
  const send = (/** @type {object} */ message) => {
    try {
      model.send(message);
    } catch {
      connect({ kernel: "silent" });
    }
  };
  const watch = () => {
    clearTimeout(timer);
    if ((open.size || isAsked) && connection.kernel === "ready") timer = setTimeout(onSilence, SILENCE);
  };
  const ask = () => {
    isAsked = true;
    post({ type: "hello" });
    watch();
  };
  const onSilence = () => {
    if (isAsked) connect({ kernel: "silent" });
    else ask();
  };
  /** @param {Content} content */
  const dispatch = (content) => {
    pending = null;
    open.set(post(content), content);
    watch();
  };
  const hasCoarse = () => [...open.values()].some(({ settled }) => settled === false);
  const isWorking = () => Boolean(pending?.settled) || [...open.values()].some(({ settled }) => settled);

  /** @param {any} message @param {DataView[]} [buffers] */
  const receive = (message, buffers = []) => {
    if (message?.session !== session) return;
    isAsked = false;
    const { id } = message;
    const content = open.get(id);
    if (message.end) open.delete(id);
    connect({ kernel: "ready", heard: true });
    if (content && message.part && id >= newestShown) {
      newestShown = id;
      part(restoreBuffers(message, buffers), content);
    }
    if (content && message.end) {
      const isNewest = content.settled !== undefined && !pending && [...open.keys()].every((other) => other < id);
      if (pending && !hasCoarse()) dispatch(pending);
      end(message.end, message.words ?? "", content, isNewest);
    }
    watch();
  };
  const start = () => {
    connection = { kernel: model.hasKernel === false ? "none" : "ready", heard: false };
    open.clear();
    pending = null;
    if (connection.kernel === "ready") ask();
    changed();
  };
  listen(model, "msg:custom", receive, signal);
  listen(model, "kernel", start, signal); // a page has found or lost its live model
  start();
  return {
    connection: () => connection,
    /** Whether a settled request is in work or waits. */
    isWorking,
    /** Send a request, or let it wait until the coarse one in flight has ended. @param {Content} content */
    submit(content) {
      if (hasCoarse()) pending = content;
      else dispatch(content);
    },
    /** Send a message that replaces no request. @param {Content} content */
    send(content) {
      open.set(post(content), content);
      watch();
    },
    /** Drop the coarse request that waits. */
    dropCoarse() {
      if (pending?.settled === false) pending = null;
    },
    /** End what is in work. */
    cancel() {
      pending = null;
      for (const [id, { settled }] of open) if (settled) send({ type: "cancel", session, id });
    },
    /** Ask a silent kernel again: send what waits, else what was in flight. */
    retry() {
      const content = pending ?? [...open.values()].at(-1);
      open.clear();
      isAsked = false;
      connect({ kernel: "ready" });
      if (content) dispatch(content);
      else ask();
    },
  };
}
