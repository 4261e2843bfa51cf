// @vitest-environment jsdom
import { expect, test } from "vitest";
import { createCheckBadge } from "../../src/tubes/check_badge.js";

const CHECKED = { code: "faithful", verdict: "faithful", words: "Hiding it changes the score by −2.9." };
const content = {
  layers: [
    { name: "stem", kind: "stem" },
    { name: "sharp map", kind: "sharp", checks: [CHECKED, null] },
    { name: "unit", kind: "named", quantity: "activity" },
  ],
};

function shown(view) {
  const badge = createCheckBadge(content);
  badge.show({ layer: 1, target: 0, against: null, ...view });
  const { element } = badge;
  return { hidden: element.hidden, verdict: element.dataset.verdict, text: element.textContent };
}

test("the verdict stands before its numbers", () => {
  const { verdict, text } = shown({});
  expect(verdict).toBe("faithful");
  expect(text).toBe("check: faithfulHiding it changes the score by −2.9.");
});

test.each([{ layer: 0 }, { target: 1 }, { against: 1 }])("another map is not checked: %o", (view) => {
  expect(shown(view).verdict).toBe("not checked");
  expect(shown(view).text).toContain("tubes.check()");
});

test("a map of activity has no check", () => expect(shown({ layer: 2 }).hidden).toBe(true));
