// A course on the timeline: its line in a lane of its own, and beneath it the menu that chooses one, with its numbers.

import { h } from "../shared/dom.js";
import { createMenu } from "../shared/inputs.js";
import {
  courseAt,
  courseDashes,
  courseName,
  courseRange,
  courseTeller,
  heightOf,
  isBinary,
  lineOf,
  scaleOf,
  valueAt,
  writerOf,
} from "./frame_signal.js";

/** @typedef {import("./traits.js").CourseState} CourseState */
/** @typedef {Pick<import("./view_state.js").Position, "course" | "frame">} At */

const LANE = 40; // CSS pixels down, as in the style sheet
const INSET = 6; // the line and the dot on it stay whole at its lowest and highest
const NUMBER = 0.15; // of the width: about as far as a number reaches
const LINE = "#8df0c0"; // neither for nor against, nor the white of the frame's marker
const PALE = "#aeb7c4";

/** How far above the lane's lower edge. @param {number} height 0..1 */
const up = (height) => INSET + height * (LANE - 2 * INSET);

/**
 * The menu, and what the chosen course is at the frame shown; nothing where there are no courses.
 * @param {import("./traits.js").Content} content
 * @param {import("../shared/inputs.js").Hands} hands
 * @param {AbortSignal} signal
 */
export function createCourseBar({ courses }, hands, signal) {
  const names = courses.map((course, k) => /** @type {[string, string]} */ ([String(k), courseName(course)]));
  const read = (/** @type {string} */ value) => (value === "null" ? null : Number(value));
  const label = "also draw on the timeline: what a part of the network says of each frame";
  const menu = createMenu("course", label, [["null", "nothing"], ...names], hands, read, signal);
  const [value, range, neutral, teller, swatch] = [h("b"), h("span"), h("span"), h("span"), h("i")];
  const dashes = h("span", {}, h("i", { class: "ne-course-dashes" }), neutral);
  const legend = h("p", { class: "ne-course-legend" }, h("span", {}, swatch, range), value, dashes, teller);
  const choice = h("label", {}, h("span", {}, "also draw"), menu.select);
  const element = h("div", { class: "ne-course", hidden: !courses.length }, choice, legend);
  return {
    element,
    /** @param {At} at */
    show({ course: index, frame }) {
      menu.show(index);
      legend.hidden = index === null;
      if (index === null) return;
      const course = courses[index];
      menu.select.title = courseName(course);
      value.textContent = courseAt(course, frame);
      range.textContent = courseRange(course);
      neutral.textContent = courseDashes(course);
      dashes.hidden = !neutral.textContent;
      teller.textContent = courseTeller(course);
      swatch.className = isBinary(course) ? "ne-course-block" : "";
    },
  };
}

/**
 * Over the lane: the ends of its scale as numbers, and a dot where the line meets the frame. They are elements, so that
 * another frame does not draw the timeline anew.
 * @param {import("./traits.js").Content} content
 */
export function createLane({ courses, size }) {
  const [high, low, dot] = [h("span"), h("span", { class: "ne-lane-low" }), h("i")];
  const element = h("div", { class: "ne-lane", "aria-hidden": "true" }, high, low, dot);
  const frames = size[0];
  /** Both at the left, as an axis has them, unless the line crosses one there and none at the right. @param {CourseState} course */
  const showNumbers = (course) => {
    const [least, most] = scaleOf(course).map(writerOf(course));
    high.textContent = most;
    low.textContent = least === most ? "" : least;
    const heights = Array.from({ length: frames }, (_, frame) => heightOf(course)(valueAt(course, frame)));
    const reach = Math.ceil(NUMBER * frames);
    const meets = (/** @type {number[]} */ part) => part.some((height) => Math.abs(height - 0.5) > 0.1);
    const right = meets(heights.slice(0, reach)) && !meets(heights.slice(-reach));
    for (const number of [high, low]) number.toggleAttribute("data-right", right);
  };
  let shown = /** @type {number | null} */ (null);
  return {
    element,
    /** @param {At} at */
    show({ course: index, frame }) {
      const course = index === null ? null : courses[index];
      element.hidden = !course || isBinary(course);
      if (!course || element.hidden) return;
      if (shown !== index) showNumbers(course);
      shown = index;
      dot.style.left = `${(100 * (frame + 0.5)) / frames}%`;
      dot.style.bottom = `${up(heightOf(course)(valueAt(course, frame)))}px`;
    },
  };
}

/**
 * The lane beneath the evidence: a hairline, dashes where nothing is done, and the line, or blocks where it is yes.
 * @param {CanvasRenderingContext2D} context
 * @param {CourseState} course
 * @param {number} frames
 * @param {number} width CSS pixels; so is the next
 * @param {number} top
 */
export function drawCourse(context, course, frames, width, top) {
  const down = (/** @type {number} */ height) => top + LANE - up(height);
  const path = (/** @type {number[][]} */ points) => {
    context.beginPath();
    for (const [across, height] of points) context.lineTo(across * width, down(height));
  };
  context.fillStyle = PALE;
  context.fillRect(0, top, width, 0.5);
  if (courseDashes(course)) {
    const level = heightOf(course)(/** @type {number} */ (course.neutral));
    path([[0, level], [1, level]]); // biome-ignore format: two points
    context.strokeStyle = PALE;
    context.setLineDash([4, 4]);
    context.stroke();
    context.setLineDash([]);
  }
  context.fillStyle = context.strokeStyle = LINE;
  context.lineWidth = 2;
  context.lineJoin = "round";
  const line = lineOf(course, frames);
  if (isBinary(course)) path([[line[0][0], 0], ...line, [line[line.length - 1][0], 0]]);
  else path(line);
  isBinary(course) ? context.fill() : context.stroke();
}
