// @vitest-environment jsdom
// The window of a grey clip as two sliders in the unit of its values, and the key to the colours of flow.
import { expect, test, vi } from "vitest";
import { h } from "../../src/shared/dom.js";
import { createPictureControls } from "../../src/tubes/picture_controls.js";

const CT = {
  kind: "grey",
  range: [-1000, 1000],
  low: -1000,
  high: 1000,
  step: 1,
  size: [4, 4],
  data: new Uint8Array(1),
};

function controls(picture) {
  const handlers = { move: vi.fn(), done: vi.fn(), play: vi.fn() };
  const row = (label, control, output, name) => h("div", { class: name }, label, control, output);
  const { element, show } = createPictureControls(picture, handlers, row, new AbortController().signal);
  document.body.replaceChildren(element);
  show({ window: null });
  const find = (name) => document.querySelector(`[data-name=${name}]`);
  const slide = (name, value) => {
    find(name).value = String(value);
    find(name).dispatchEvent(new Event("input"));
    return handlers.move.mock.lastCall;
  };
  const words = (name) => document.querySelector(`.window-${name} .ne-value`).textContent;
  return { handlers, show, find, slide, words };
}

test("level and width are shown in the unit of the values", () => {
  const { show, words, find } = controls(CT);
  expect([words("level"), words("width")]).toEqual(["0", "2000 (−1000 to 1000) reset"]);
  show({ window: [-160, 240] });
  expect([words("level"), words("width")]).toEqual(["40", "400 (−160 to 240) reset"]);
  expect(find("level").getAttribute("aria-valuetext")).toBe("40");
  expect(Number(find("level").value)).toBe(520);
  expect(Number(find("width").value)).toBe(447); // 1000 * sqrt(400 / 2000)
});

test("the level moves the window, and keeps its width to the last digit", () => {
  const { show, slide } = controls(CT);
  show({ window: [-160.5, 240.25] });
  const [name, [low, high]] = slide("level", 600);
  expect(name).toBe("window");
  expect(high - low).toBe(400.75);
  expect((high + low) / 2).toBe(200);
});

test("the width keeps the level, is whole for whole values, and never 0", () => {
  const { show, slide } = controls(CT);
  show({ window: [-160, 240] });
  expect(slide("width", 200)).toEqual(["window", [0, 80]]); // 2000 * 0.2 ** 2 = 80 around 40
  show({ window: [0, 80] });
  expect(slide("width", 0)).toEqual(["window", [39.5, 40.5]]);
});

test("a gesture ends once, and reset returns to the range of the clip", () => {
  const { handlers, show, slide, find } = controls(CT);
  expect(find("reset-window").disabled).toBe(true);
  show({ window: [-160, 240] });
  slide("level", 500);
  slide("level", 510);
  expect(handlers.done).not.toHaveBeenCalled();
  find("level").dispatchEvent(new Event("change"));
  expect(handlers.done).toHaveBeenCalledTimes(1);
  expect(find("reset-window").disabled).toBe(false);
  find("reset-window").click();
  expect(handlers.move).toHaveBeenLastCalledWith("window", null);
  expect(handlers.done).toHaveBeenCalledTimes(2);
});

test("values that are not whole have four digits, and a constant clip a window", () => {
  const { show, words, slide } = controls({ ...CT, range: [0, 1], low: 0, high: 1, step: 1 / 65535 });
  show({ window: [0.12345678, 0.5] });
  expect(words("level")).toBe("0.3117");
  const [, [low, high]] = slide("width", 1);
  expect(high - low).toBeCloseTo(1 / 65535, 6);
  const constant = controls({ ...CT, range: [0, 7], low: 7, high: 7 });
  expect(constant.words("level")).toBe("3.5");
});

test("flow has a wheel and its scale, colours have nothing", () => {
  controls({ kind: "flow", range: [0, 7.25] });
  expect(document.querySelector(".ne-wheel").getAttribute("aria-hidden")).toBe("true");
  expect(document.body.textContent).toContain("0 to 7.25 from the middle to the rim");
  for (const picture of [undefined, {}, { kind: "grey", range: [0, 1] }]) {
    controls(picture);
    expect(document.body.textContent).toBe("");
  }
});
