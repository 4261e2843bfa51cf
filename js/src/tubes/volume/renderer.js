// The volume on WebGL2: textures, programs, one draw. Knows nothing of the page around its canvas.

import { rampsOf, STAGE, signsOf } from "../../shared/colormaps.js";
import { OPACITY } from "../view_state.js";
import { basisOf, boxEdges, halfBox, isBehind, project } from "./camera.js";
import { BOX_FRAGMENT, BOX_VERTEX, LINE_FRAGMENT, LINE_VERTEX } from "./shaders.js";

/** @typedef {{shape: number[], geometry: import("../../shared/interpolate.js").Geometry}} Grid */
/** @typedef {import("./camera.js").Camera} Camera */

const MOST_STEPS = 300; // the shader stops at 320

/**
 * @param {WebGL2RenderingContext} gl
 * @param {string} vertex
 * @param {string} fragment
 */
function createProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {const} */ ([
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ])) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("the graphics context was lost");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader); // lives on in the program
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`a shader does not compile: ${gl.getProgramInfoLog(program)}`);
  }
  /** @type {Record<string, WebGLUniformLocation | null>} */
  const places = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
  for (let k = 0; k < count; k++) {
    const name = gl.getActiveUniform(program, k)?.name.replace("[0]", "");
    if (name) places[name] = gl.getUniformLocation(program, name);
  }
  return { program, places };
}

/** A buffer of points that changes at every draw. @param {WebGL2RenderingContext} gl @param {number} parts */
function createPoints(gl, parts) {
  const array = gl.createVertexArray();
  const buffer = gl.createBuffer();
  gl.bindVertexArray(array);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, parts, gl.FLOAT, false, 0, 0);
  return (/** @type {number[]} */ points) => {
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(points), gl.DYNAMIC_DRAW);
    gl.drawArrays(gl.TRIANGLES, 0, points.length / parts);
  };
}

/** @param {WebGL2RenderingContext} gl @param {number} kind @param {number} unit */
function createTexture(gl, kind, unit) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(kind, gl.createTexture());
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(kind, name, gl.LINEAR);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
    gl.texParameteri(kind, name, gl.CLAMP_TO_EDGE);
  }
}

/** The faces of the box that look at the viewer, as triangles. @param {import("./camera.js").Basis} basis */
function facesTowards({ back }) {
  const points = [];
  for (let axis = 0; axis < 3; axis++) {
    if (Math.abs(back[axis]) < 1e-6) continue;
    for (const [a, b] of [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, -1],
      [1, 1],
      [-1, 1],
    ]) {
      const corner = [0, 0, 0];
      corner[axis] = Math.sign(back[axis]);
      corner[(axis + 1) % 3] = a;
      corner[(axis + 2) % 3] = b;
      points.push(...corner);
    }
  }
  return points;
}

/** A straight line as two triangles. @param {number[]} from @param {number[]} to @param {number} opacity @param {number} thickness */
function lineOf(from, to, opacity, thickness) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  const reach = thickness / 2 + 1;
  const [nx, ny] = [(-dy / length) * reach, (dx / length) * reach];
  /** @param {number[]} point @param {number} side */
  const at = ([x, y], side) => [x + nx * side, y + ny * side, opacity, reach * side];
  return [...at(from, -1), ...at(from, 1), ...at(to, 1), ...at(from, -1), ...at(to, 1), ...at(to, -1)];
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number[]} size clip: [time, height, width]
 * @param {ImageBitmap[]} bitmaps
 */
export function createVolume(gl, size, bitmaps) {
  const half = halfBox(size);
  const box = createProgram(gl, BOX_VERTEX, BOX_FRAGMENT);
  const line = createProgram(gl, LINE_VERTEX, LINE_FRAGMENT);
  const drawBox = createPoints(gl, 3);
  const drawLines = createPoints(gl, 4);
  createTexture(gl, gl.TEXTURE_3D, 0);
  createTexture(gl, gl.TEXTURE_2D_ARRAY, 1);
  // Large frames travel smaller than the clip is: the texture has the size of what came.
  const { width, height } = bitmaps[0];
  gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA8, width, height, size[0]);
  for (const [f, bitmap] of bitmaps.entries()) {
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, f, width, height, 1, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  }
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.useProgram(box.program);
  gl.uniform1i(box.places.volume, 0);
  gl.uniform1i(box.places.frames, 1);
  gl.uniform3fv(box.places.half_box, half);
  /** Signals when the graphics are done with the last two draws. @type {WebGLSync[]} */
  const fences = [];
  /** @param {WebGLSync | undefined} fence */
  const isPending = (fence) => fence !== undefined && gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED;
  /** Cells along x, y and time; the frames stand for time. */
  let cells = [1, 1, size[0]];

  /**
   * World units from one sample of a ray to the next: half a cell, so that no body slips through; and a whole part of
   * the way between two frames, so that seen from the front each frame is met exactly.
   * @param {number[]} back
   * @param {number} zoom
   * @param {boolean} sharp
   */
  const strideOf = (back, zoom, sharp) => {
    const longest = 2 * Math.hypot(...half);
    const spans = cells.map((count, axis) => (2 * half[axis]) / count / Math.max(Math.abs(back[axis]), 1e-6));
    const wanted = Math.min(
      Math.max(Math.min(...spans) / (sharp ? 2 : 1.2), longest / (sharp ? 140 * Math.max(zoom, 1) : 56)),
      longest / (sharp ? 100 * Math.max(zoom, 1) : 36),
    );
    return Math.max(spans[2] / Math.max(2, Math.ceil(spans[2] / wanted)), longest / MOST_STEPS);
  };

  /** @param {import("../view_state.js").Position} at */
  const setColours = ({ colours, sign, opacity }) => {
    const { positive, negative } = rampsOf(colours, sign);
    gl.uniform3fv(
      box.places.ramp,
      [...positive, ...negative].flat().map((part) => part / 255),
    );
    const signs = signsOf(sign);
    gl.uniform2f(box.places.signs, signs.positive, signs.negative);
    gl.uniform1f(box.places.body, opacity / OPACITY);
  };

  return {
    /**
     * Bytes, since software graphics filter them fastest; a value is off by half a 127th of the scale at most.
     * @param {Float32Array} values [frames, height, width of the map], -1..1
     * @param {Grid} grid
     */
    setMap(values, { shape, geometry }) {
      const [, h, w] = shape;
      const bytes = Int8Array.from(values, (value) => Math.min(Math.max(Math.round(value * 127), -127), 127));
      gl.activeTexture(gl.TEXTURE0);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8_SNORM, w, h, size[0], 0, gl.RED, gl.BYTE, bytes);
      cells = [w, h, size[0]];
      const [, height, width] = size;
      const { origin, step } = geometry;
      gl.useProgram(box.program);
      gl.uniform3f(box.places.cell_scale, width / step[1] / w, height / step[0] / h, 1);
      gl.uniform3f(
        box.places.cell_shift,
        (0.5 - (0.5 + origin[1]) / step[1]) / w,
        (0.5 - (0.5 + origin[0]) / step[0]) / h,
        0,
      );
      const rows = Math.min(shape[0], size[0]);
      gl.uniform3f(box.places.near_cell, (0.7 * step[1]) / width, (0.7 * step[0]) / height, 0.7 / rows);
    },

    /**
     * @param {import("../view_state.js").Position} at
     * @param {Camera} camera
     * @param {number} scale canvas pixels per world unit
     * @param {number[]} accent colour of the frame's border, 0..1
     * @param {number} pixelRatio canvas pixels per CSS pixel
     * @param {boolean} sharp at rest; else with longer strides
     */
    draw(at, camera, scale, accent, pixelRatio, sharp) {
      const basis = basisOf(camera);
      const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
      gl.viewport(0, 0, width, height);
      gl.clearColor(STAGE[0] / 255, STAGE[1] / 255, STAGE[2] / 255, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const edges = boxEdges().map((edge) => {
        const [from, to] = edge.map((corner) => project(basis, half, corner).map((part) => part * scale));
        return { behind: isBehind(basis, edge), from, to };
      });
      const thickness = 1.2 * pixelRatio;
      /** @param {boolean} behind @param {number} opacity */
      const drawEdges = (behind, opacity) => {
        gl.useProgram(line.program);
        gl.uniform2f(line.places.pixels, width, height);
        gl.uniform1f(line.places.thickness, thickness);
        const chosen = edges.filter((edge) => edge.behind === behind);
        drawLines(chosen.flatMap(({ from, to }) => lineOf(from, to, opacity, thickness)));
      };
      drawEdges(true, 0.35);
      gl.useProgram(box.program);
      for (const side of /** @type {const} */ (["right", "up", "back"])) gl.uniform3fv(box.places[side], basis[side]);
      gl.uniform2f(box.places.pixels, width, height);
      gl.uniform1f(box.places.scale, scale);
      gl.uniform1f(box.places.threshold, Math.max(at.threshold - 1e-4, 2e-3));
      setColours(at);
      gl.uniform1f(box.places.stride, strideOf(basis.back, camera.zoom, sharp));
      gl.uniform1f(box.places.close, sharp ? 0.15 : 0);
      gl.uniform1f(box.places.frame, at.frame);
      gl.uniform1f(box.places.slab_at, (at.frame + 0.5) / size[0]);
      gl.uniform1f(box.places.slab_half, Math.min(0.007 / (2 * half[2]), 0.4 / size[0]));
      gl.uniform3fv(box.places.accent, accent);
      drawBox(facesTowards(basis));
      drawEdges(false, 0.6);
      if (fences.length > 1) gl.deleteSync(fences.shift() ?? null);
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      if (fence) fences.push(fence);
      gl.flush();
    },

    /** Whether the graphics still work on the last draw. */
    drawing: () => isPending(fences[fences.length - 1]),

    /** Whether they work on the one before it even: another draw now would only queue up behind them. */
    busy: () => fences.length > 1 && isPending(fences[0]),
  };
}
