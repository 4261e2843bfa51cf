// Volume rendering on WebGL2: textures, shader programs and the draw call. Independent of the page around the canvas.

import { BACKGROUND, rampsOf, signsOf } from "../../shared/colormaps.js";
import { OPACITY } from "../view_state.js";
import { basisOf, boxEdges, halfBox, isBehind, project } from "./camera.js";
import { BOX_FRAGMENT, BOX_VERTEX, LINE_FRAGMENT, LINE_VERTEX } from "./shaders.js";

/** @typedef {{shape: number[], geometry: import("../../shared/interpolate.js").Geometry}} Grid */
/** @typedef {import("./camera.js").Camera} Camera */

const MAX_STEPS = 300; // the shader stops at 320

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
    gl.deleteShader(shader); // freed with the program
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`a shader does not compile: ${gl.getProgramInfoLog(program)}`);
  }
  /** @type {Record<string, WebGLUniformLocation | null>} */
  const uniforms = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
  for (let k = 0; k < count; k++) {
    const name = gl.getActiveUniform(program, k)?.name.replace("[0]", "");
    if (name) uniforms[name] = gl.getUniformLocation(program, name);
  }
  return { program, uniforms };
}

/** A vertex buffer that is refilled at every draw. @param {WebGL2RenderingContext} gl @param {number} parts numbers per vertex */
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

/** Triangles of the box faces that point to the viewer. @param {import("./camera.js").Basis} basis */
function visibleFaces({ back }) {
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

/** Two triangles that make up a straight line. @param {number[]} from @param {number[]} to @param {number} opacity @param {number} thickness */
function lineOf(from, to, opacity, thickness) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  const reach = thickness / 2 + 1;
  const [nx, ny] = [(-dy / length) * reach, (dx / length) * reach];
  /** @param {number[]} point @param {number} side */
  const vertex = ([x, y], side) => [x + nx * side, y + ny * side, opacity, reach * side];
  const [a, b, c, d] = [vertex(from, -1), vertex(from, 1), vertex(to, 1), vertex(to, -1)];
  return [...a, ...b, ...c, ...a, ...c, ...d];
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number[]} size clip: [time, height, width]
 * @param {import("../../shared/window.js").FramePicture[]} bitmaps
 */
export function createVolume(gl, size, bitmaps) {
  const half = halfBox(size);
  const box = createProgram(gl, BOX_VERTEX, BOX_FRAGMENT);
  const line = createProgram(gl, LINE_VERTEX, LINE_FRAGMENT);
  const drawBox = createPoints(gl, 3);
  const drawLines = createPoints(gl, 4);
  createTexture(gl, gl.TEXTURE_3D, 0);
  createTexture(gl, gl.TEXTURE_2D_ARRAY, 1);
  // Large frames are sent downscaled, so the bitmaps may be smaller than the clip.
  const { width, height } = bitmaps[0];
  gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA8, width, height, size[0]);
  /** Window of each frame that is uploaded. @type {string[]} */
  const uploaded = [];
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.useProgram(box.program);
  gl.uniform1i(box.uniforms.volume, 0);
  gl.uniform1i(box.uniforms.frames, 1);
  gl.uniform3fv(box.uniforms.half_box, half);
  /** Fences of the last two draws. @type {WebGLSync[]} */
  const fences = [];
  /** @param {WebGLSync | undefined} fence */
  const isPending = (fence) => fence !== undefined && gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED;
  /** Texture cells along x, y and time (one per frame). */
  let cells = [1, 1, size[0]];

  /**
   * Distance in world units between two samples of a ray: half a cell, so that no thin structure is skipped, and a whole
   * fraction of the distance between two frames, so that in the front view each frame is sampled exactly.
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
    return Math.max(spans[2] / Math.max(2, Math.ceil(spans[2] / wanted)), longest / MAX_STEPS);
  };

  /** @param {import("../view_state.js").ViewState} view */
  const setColours = ({ colours, sign, opacity }) => {
    const { positive, negative } = rampsOf(colours, sign);
    gl.uniform3fv(
      box.uniforms.ramp,
      [...positive, ...negative].flat().map((part) => part / 255),
    );
    const signs = signsOf(sign);
    gl.uniform2f(box.uniforms.signs, signs.positive, signs.negative);
    gl.uniform1f(box.uniforms.body, opacity / OPACITY);
  };

  return {
    /** Upload a frame, the only one that is drawn, unless it is there. @param {number} frame @param {string} window in which its bitmap is drawn */
    setFrame(frame, window) {
      if (uploaded[frame] === window) return;
      uploaded[frame] = window;
      gl.activeTexture(gl.TEXTURE1);
      const { RGBA, TEXTURE_2D_ARRAY, UNSIGNED_BYTE } = gl;
      gl.texSubImage3D(TEXTURE_2D_ARRAY, 0, 0, 0, frame, width, height, 1, RGBA, UNSIGNED_BYTE, bitmaps[frame]);
    },

    /**
     * Upload a map as bytes, which software rendering filters fastest; the error is at most half a 127th of the scale.
     * @param {Float32Array} values [frames, height, width of the map], -1..1
     * @param {Grid & {edges: import("../extrapolation.js").Edge[]}} grid
     */
    setMap(values, { shape, geometry, edges }) {
      const [, h, w] = shape;
      const bytes = Int8Array.from(values, (value) => Math.min(Math.max(Math.round(value * 127), -127), 127));
      gl.activeTexture(gl.TEXTURE0);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8_SNORM, w, h, size[0], 0, gl.RED, gl.BYTE, bytes);
      cells = [w, h, size[0]];
      const [, height, width] = size;
      const { origin, step } = geometry;
      gl.useProgram(box.program);
      gl.uniform3f(box.uniforms.cell_scale, width / step[1] / w, height / step[0] / h, 1);
      gl.uniform3f(
        box.uniforms.cell_shift,
        (0.5 - (0.5 + origin[1]) / step[1]) / w,
        (0.5 - (0.5 + origin[0]) / step[0]) / h,
        0,
      );
      gl.uniform3fv(
        box.uniforms.first_cell,
        edges.map(({ first }) => first),
      );
      gl.uniform3fv(
        box.uniforms.last_cell,
        edges.map(({ last }) => last),
      );
      gl.uniform3fv(
        box.uniforms.cells_before,
        edges.map(({ before }) => before),
      );
      gl.uniform3fv(
        box.uniforms.cells_after,
        edges.map(({ after }) => after),
      );
      gl.uniform3fv(box.uniforms.cells, cells);
      const rows = Math.min(shape[0], size[0]);
      gl.uniform3f(box.uniforms.near_cell, (0.7 * step[1]) / width, (0.7 * step[0]) / height, 0.7 / rows);
    },

    /**
     * @param {import("../view_state.js").ViewState} view
     * @param {Camera} camera
     * @param {number} scale canvas pixels per world unit
     * @param {number[]} accent border colour of the frame, 0..1
     * @param {number} pixelRatio canvas pixels per CSS pixel
     * @param {boolean} sharp false for a faster draw with longer strides
     */
    draw(view, camera, scale, accent, pixelRatio, sharp) {
      const basis = basisOf(camera);
      const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
      gl.viewport(0, 0, width, height);
      gl.clearColor(BACKGROUND[0] / 255, BACKGROUND[1] / 255, BACKGROUND[2] / 255, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const edges = boxEdges().map((edge) => {
        const [from, to] = edge.map((corner) => project(basis, half, corner).map((part) => part * scale));
        return { behind: isBehind(basis, edge), from, to };
      });
      const thickness = 1.2 * pixelRatio;
      /** @param {boolean} behind @param {number} opacity */
      const drawEdges = (behind, opacity) => {
        gl.useProgram(line.program);
        gl.uniform2f(line.uniforms.pixels, width, height);
        gl.uniform1f(line.uniforms.thickness, thickness);
        const chosen = edges.filter((edge) => edge.behind === behind);
        drawLines(chosen.flatMap(({ from, to }) => lineOf(from, to, opacity, thickness)));
      };
      drawEdges(true, 0.35);
      gl.useProgram(box.program);
      for (const side of /** @type {const} */ (["right", "up", "back"])) gl.uniform3fv(box.uniforms[side], basis[side]);
      gl.uniform2f(box.uniforms.pixels, width, height);
      gl.uniform1f(box.uniforms.scale, scale);
      gl.uniform1f(box.uniforms.threshold, Math.max(view.threshold - 1e-4, 2e-3));
      setColours(view);
      gl.uniform1f(box.uniforms.stride, strideOf(basis.back, camera.zoom, sharp));
      gl.uniform1f(box.uniforms.close, sharp ? 0.15 : 0);
      gl.uniform1f(box.uniforms.frame, view.frame);
      gl.uniform1f(box.uniforms.slab_at, (view.frame + 0.5) / size[0]);
      gl.uniform1f(box.uniforms.slab_half, Math.min(0.007 / (2 * half[2]), 0.4 / size[0]));
      gl.uniform3fv(box.uniforms.accent, accent);
      drawBox(visibleFaces(basis));
      drawEdges(false, 0.6);
      if (fences.length > 1) gl.deleteSync(fences.shift() ?? null);
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      if (fence) fences.push(fence);
      gl.flush();
    },

    /** Return whether the GPU is still working on the last draw. */
    drawing: () => isPending(fences[fences.length - 1]),

    /** Return whether the GPU is still working on the draw before it, so that another one would only queue up. */
    busy: () => fences.length > 1 && isPending(fences[0]),
  };
}
