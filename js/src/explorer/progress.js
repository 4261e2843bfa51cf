// The line that says what the kernel does, and the alerts: errors, and a kernel that does not answer.
import { h, on } from "../shared/dom.js";
import { connectionWords, progressWords } from "./text.js";

/**
 * @param {{cancel: () => void, retry: () => void, dismiss: () => void}} actions
 * @param {AbortSignal} signal
 */
export function createProgress(actions, signal) {
  const bar = h("progress", { "aria-label": "progress" });
  const text = h("span", {});
  const cancel = h("button", { type: "button", "data-name": "cancel" }, "Cancel");
  const line = h("div", { class: "ne-progress" }, bar, text, cancel);
  const retry = h("button", { type: "button", "data-name": "retry" }, "Try again");
  const notice = h("span", {});
  const connection = h("p", { class: "ne-notice", role: "status" }, notice, retry);
  const cause = h("span", {});
  const dismiss = h("button", { type: "button", "data-name": "dismiss", "aria-label": "close this message" }, "×");
  const alert = h("div", { class: "ne-error ne-alert", role: "alert" });
  on(cancel, "click", actions.cancel, signal);
  on(retry, "click", actions.retry, signal);
  on(dismiss, "click", actions.dismiss, signal);
  return {
    line,
    element: h("div", { class: "ne-status" }, connection, alert),
    /**
     * @param {Object} status
     * @param {boolean} status.isWorking
     * @param {Record<string, any> | null} status.progress
     * @param {import("./client.js").Connection} status.connection
     * @param {string} status.error
     */
    show({ isWorking, progress, connection: now, error }) {
      line.classList.toggle("ne-idle", !isWorking);
      cancel.disabled = !isWorking;
      text.textContent = isWorking ? progressWords(progress) : "";
      if (progress?.total) Object.assign(bar, { max: progress.total, value: progress.done ?? 0 });
      else bar.removeAttribute("value");
      notice.textContent = connectionWords(now);
      connection.hidden = !notice.textContent;
      retry.hidden = now.kernel !== "silent";
      alert.hidden = !error;
      if (cause.textContent === error) return;
      cause.textContent = error;
      alert.replaceChildren(...(error ? [cause, dismiss] : []));
    },
  };
}
