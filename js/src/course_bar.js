// A course on the timeline: its line over the evidence, and beneath it the menu that chooses one, with its numbers.
import { courseAt, courseName, courseRange, lineOf } from "./course.js";
import { h } from "./dom.js";
import { createMenu } from "./slider.js";

/** @typedef {import("./state.js").CourseState} CourseState */

const INSET = 4; // CSS pixels: the line stays whole at its lowest and highest
const LIGHT = "#8df0c0"; // neither for nor against, nor the white of the frame's marker
const DARK = "#14171c";

/**
 * The menu, and what the chosen course is at the frame shown; nothing where there are no courses.
 * @param {import("./state.js").Content} content
 * @param {import("./slider.js").Hands} hands
 * @param {AbortSignal} signal
 */
export function createCourseBar({ courses }, hands, signal) {
  const names = courses.map((course, k) => /** @type {[string, string]} */ ([String(k), courseName(course)]));
  const read = (/** @type {string} */ value) => (value === "null" ? null : Number(value));
  const label = "on the timeline: what a part of the network says of each frame";
  const menu = createMenu("course", label, [["null", "nothing else"], ...names], hands, read, signal);
  const [value, range, neutral] = [h("b", {}), h("span", {}), h("span", {})];
  const dashes = h("span", {}, h("i", { class: "ne-course-dashes" }), neutral);
  const legend = h("p", { class: "ne-course-legend" }, h("span", {}, h("i", {}), range), value, dashes);
  const choice = h("label", {}, h("span", {}, "on the timeline"), menu.select);
  const element = h("div", { class: "ne-course", hidden: !courses.length }, choice, legend);
  return {
    element,
    /** @param {Pick<import("./position.js").Position, "course" | "frame">} at */
    show({ course: index, frame }) {
      menu.show(index);
      legend.hidden = index === null;
      if (index === null) return;
      const course = courses[index];
      menu.select.title = courseName(course);
      value.textContent = courseAt(course, frame);
      range.textContent = courseRange(course);
      dashes.hidden = course.neutral === null;
      neutral.textContent = `${Number(course.neutral?.toPrecision(6))}: nothing is done`;
    },
  };
}

/**
 * Light in a dark casing, so that it is seen on the stage and over any colour of the evidence.
 * @param {CanvasRenderingContext2D} context
 * @param {CourseState} course
 * @param {number} frames
 * @param {{top: number, bottom: number, width: number}} place CSS pixels
 */
export function drawCourse(context, course, frames, { top, bottom, width }) {
  const { points, neutral } = lineOf(course, frames);
  const down = (/** @type {number} */ height) => bottom - INSET - height * (bottom - top - 2 * INSET);
  context.lineJoin = "round";
  if (neutral !== null) {
    const level = Math.round(down(neutral)) + 0.5;
    stroke(context, [[0, level], [width, level]], 1, [4, 4]); // biome-ignore format: two points
  }
  stroke(
    context,
    points.map(([across, height]) => [across * width, down(height)]),
    2,
    [],
  );
}

/** @param {CanvasRenderingContext2D} context @param {number[][]} points @param {number} wide @param {number[]} dash */
function stroke(context, points, wide, dash) {
  context.beginPath();
  for (const [k, [x, y]] of points.entries()) k ? context.lineTo(x, y) : context.moveTo(x, y);
  for (const [colour, width, dashed] of /** @type {[string, number, number[]][]} */ ([
    [DARK, wide + 2.5, []],
    [LIGHT, wide, dash],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dashed);
    context.stroke();
  }
  context.setLineDash([]);
}
