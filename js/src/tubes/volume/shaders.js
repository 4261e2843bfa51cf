// Shaders of the volume. Positions are in box coordinates: 0..1 along x, y (down, as image rows) and time.

export const BOX_VERTEX = `#version 300 es
in vec3 corner;
out vec3 entry;
uniform vec3 half_box, right, up;
uniform vec2 pixels;
uniform float scale;
void main() {
  vec3 world = corner * half_box;
  entry = vec3(corner.x, -corner.y, -corner.z) * .5 + .5;
  gl_Position = vec4(vec2(dot(world, right), dot(world, up)) * scale * 2. / pixels, 0., 1.);
}`;

// Ray marching, front to back. A surface is drawn wherever the ray crosses the threshold, so that thin structures show; inside
// it, stronger evidence absorbs more light. Software rendering executes both sides of every branch and saves time only by
// leaving a loop: the inner loops sample once per step, and what needs more samples (a surface, the frame) is done outside.
export const BOX_FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
precision highp sampler2DArray;
in vec3 entry;
out vec4 colour;
uniform sampler3D volume;
uniform sampler2DArray frames;
uniform vec3 half_box, back;
uniform vec3 cell_scale, cell_shift; // box to texture coordinates of the layer's cells
uniform vec3 near_cell;              // step of the gradient
uniform vec3 cells;                  // texture cells along each axis
uniform vec3 first_cell, last_cell, cells_before, cells_after; // outer cell centres, and cells per box, before and after them
uniform vec3 ramp[10], accent;        // 5 colours for, 5 against, each from weak to strong
uniform vec2 signs;                  // whether evidence for, and against, is shown
uniform float threshold, stride, frame, slab_at, slab_half, body, close;

float valueAt(vec3 p) { return texture(volume, p * cell_scale + cell_shift).r; }
float above(float v) { return max(v * signs.x, -v * signs.y) - threshold; }
vec3 rampAt(float v) {
  float at = min(abs(v), 1.) * 4.;
  int low = min(int(at), 3), side = v < 0. ? 5 : 0;
  return mix(ramp[side + low], ramp[side + low + 1], at - float(low));
}
const vec3 TO_WORLD = vec3(1., -1., -1.);
vec3 normalAt(vec3 p) {
  vec3 x = vec3(near_cell.x, 0., 0.), y = vec3(0., near_cell.y, 0.), z = vec3(0., 0., near_cell.z);
  vec3 rise = vec3(abs(valueAt(p + x)) - abs(valueAt(p - x)), abs(valueAt(p + y)) - abs(valueAt(p - y)),
                   abs(valueAt(p + z)) - abs(valueAt(p - z)));
  vec3 n = -rise / (near_cell * half_box) * TO_WORLD;
  float size = length(n);
  return size > 1e-5 ? n / size : back;
}
// Opacity beyond the outer cell centres, where the map is held constant; FADE of extrapolation.js.
float fadeAt(vec3 p) {
  vec3 far = max((first_cell - p) * cells_before, (p - last_cell) * cells_after);
  return 1. - 1.4 * clamp(max(far.x, max(far.y, far.z)), 0., .5);
}
vec4 over(vec4 front, vec3 c, float a) { return front + (1. - front.a) * a * vec4(c, 1.); }
vec4 with(vec4 front, vec3 c, float a) { return over(front, c, min(a * body, 1.)); } // scaled by the chosen opacity
// Fraction of the light absorbed over a distance; x/(1+x) is cheaper than 1-exp(-x) and looks the same.
float absorbed(float v, float span) {
  float depth = span * (1.5 + 9. * v * v) * body;
  return depth / (1. + depth);
}
vec3 lit(vec3 c, vec3 n) {
  vec3 key = normalize(back + vec3(-.35, .75, .2));
  float light = .38 + .72 * max(dot(n, key), 0.);
  float shine = pow(max(dot(n, normalize(key + back)), 0.), 28.);
  return min(c * light + shine * .22, 1.);
}
vec3 faceNormal(vec3 p) {
  vec3 rim = abs(p - .5);
  vec3 n = rim.x > rim.y && rim.x > rim.z ? vec3(p.x - .5, 0., 0.)
         : rim.y > rim.z ? vec3(0., p.y - .5, 0.) : vec3(0., 0., p.z - .5);
  return normalize(n * TO_WORLD);
}
// Colour and opacity of the frame.
vec4 slabAt(vec3 p) {
  float v = valueAt(vec3(p.xy, slab_at));
  vec3 c = texture(frames, vec3(p.xy, frame)).rgb;
  if (above(v) >= 0.) c = mix(c, rampAt(v), min((.35 + .35 * abs(v)) * body, 1.) * fadeAt(vec3(p.xy, slab_at)));
  vec2 rim = (.5 - abs(p.xy - .5)) * 2. * half_box.xy;
  return min(rim.x, rim.y) < .008 ? vec4(accent, .95) : vec4(c, .9);
}
void main() {
  vec3 ray = -back * TO_WORLD / (2. * half_box);
  ray = mix(ray, vec3(1e-6), vec3(lessThan(abs(ray), vec3(1e-6))));
  vec3 exits = (step(0., ray) - entry) / ray;
  float end = max(min(exits.x, min(exits.y, exits.z)), 0.);
  float slab = (slab_at - sign(ray.z) * slab_half - entry.z) / ray.z;
  if (abs(entry.z - slab_at) <= slab_half) slab = 0.;
  if (slab > end) slab = -1.;
  // In the front view the frame would hide everything behind it: draw it as the background, in its own colours.
  float facing = smoothstep(.8, .98, abs(back.z));
  vec4 seen = vec4(0.), backdrop = vec4(0.);
  float t = 0., v = valueAt(entry), before = above(v);
  if (before >= 0. && slab != 0.) seen = with(seen, lit(rampAt(v), faceNormal(entry)), .72 * fadeAt(entry));
  vec3 base = entry * cell_scale + cell_shift, along = ray * cell_scale;
  vec3 cell_step = abs(along * cells), cell_base = (base * cells - .5) * sign(along); // for cell centres on the way
  int steps = 0;
  float fade = fadeAt(entry); // at the last surface
  float strides = 0.; // whole strides: the frame in between does not shift the samples behind it
  for (int events = 0; events < 16; events++) {
    float next = t, now = before;
    bool slabbed = false;
    while (before < 0. && steps < 320 && t < end) { // outside: look for a surface or the frame
      next = min(stride * (strides + 1.), end);
      slabbed = slab >= t && slab <= next;
      next = slabbed ? slab : next; // stop at the frame
      strides += slabbed ? 0. : 1.;
      v = texture(volume, base + along * next).r;
      now = above(v);
      steps++;
      if (slabbed || now >= 0.) break;
      if (now > -close && before > -close) { // look for a thin structure in between: interpolation peaks at cell centres
        vec3 cell = cell_base + cell_step * t, centre = t + (floor(cell + .001) + 1. - cell) / cell_step;
        float between = min(centre.x, min(centre.y, centre.z));
        bool peak = between < next;
        between = peak ? between : .5 * (t + next);
        float w = texture(volume, base + along * between).r, rise = above(w);
        if (rise >= 0. || peak) { next = between; v = w; now = rise; }
        if (now >= 0.) break;
        strides -= peak ? 1. : 0.; // go on to the next peak
      }
      before = now;
      t = next;
    }
    while (before >= 0. && steps < 320 && t < end && seen.a < .985) { // inside
      next = min(stride * (strides + 1.), end);
      slabbed = slab >= t && slab <= next;
      next = slabbed ? slab : next; // stop at the frame
      strides += slabbed ? 0. : 1.;
      v = texture(volume, base + along * next).r;
      now = above(v);
      steps++;
      if (slabbed || now < 0.) break;
      seen = over(seen, rampAt(v), absorbed(v, next - t) * fade);
      before = now;
      t = next;
    }
    bool crossed = (before >= 0.) != (now >= 0.);
    if (crossed) {
      float hit = next - (next - t) * now / (now - before);
      float miss = above(valueAt(entry + ray * hit));
      bool inside = (miss >= 0.) == (now >= 0.);
      float from = inside ? t : hit, to = inside ? hit : next;
      float low = inside ? before : miss, high = inside ? miss : now;
      hit = abs(high - low) > 1e-6 ? to - (to - from) * high / (high - low) : hit;
      vec3 shade = rampAt(sign(v) * threshold);
      // Entering shows the lit surface; leaving shows its darker inner side.
      vec3 place = entry + ray * hit;
      fade = fadeAt(place);
      seen = now >= 0. ? with(seen, lit(shade, normalAt(place)), .55 * fade) : with(seen, shade * .45, .3 * fade);
    }
    if (now >= 0. && (slabbed || crossed)) seen = over(seen, rampAt(v), absorbed(v, next - t) * fade);
    if (slabbed) {
      vec4 c = slabAt(entry + ray * slab);
      seen = over(seen, c.rgb, c.a * (1. - facing));
      backdrop = vec4(c.rgb, min(3. * facing, 1.));
      slab = -1.;
    }
    before = now;
    t = next;
    if (t >= end || seen.a > .985 || steps >= 320) break;
  }
  seen = over(seen, backdrop.rgb, backdrop.a);
  vec3 leave = faceNormal(entry + ray * end);
  seen = over(seen, vec3(.62, .7, .85), .03 + .05 * abs(leave.y));
  colour = seen;
}`;

export const LINE_VERTEX = `#version 300 es
in vec4 corner; // pixels from the canvas centre, opacity, distance from the line's centre in pixels
out vec2 line;
uniform vec2 pixels;
void main() {
  line = corner.zw;
  gl_Position = vec4(corner.xy * 2. / pixels, 0., 1.);
}`;

export const LINE_FRAGMENT = `#version 300 es
precision highp float;
in vec2 line;
out vec4 colour;
uniform float thickness;
void main() {
  colour = vec4(.78, .83, .9, 1.) * line.x * clamp(thickness * .5 + .5 - abs(line.y), 0., 1.);
}`;
