// Bundles src/ into ../notebook_explain/static/. The bundles are committed, so that installing the package needs no Node.
// `node build.mjs --check` builds in memory and exits with 1 if a committed bundle is out of date.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Names that the shader minifier keeps: the GLSL words in use, and the attribute that renderer.js binds by name. */
const GLSL =
  /^(abs|bool|break|clamp|const|corner|dot|else|es|false|float|floor|for|gl_\w+|highp|if|in|int|length|lessThan|main|max|min|mix|normalize|out|pow|precision|return|sampler2DArray|sampler3D|sign|smoothstep|step|texture|true|uniform|vec[234]|version|void|while)$/;

/** Minify the shaders, which esbuild leaves alone as template strings: remove comments and blanks, shorten names. */
const shaders = {
  name: "shaders",
  setup({ onLoad }) {
    /** Short names of the uniforms, in renderer.js too; short ones stay, because renderer.js also reads them by name. @param {string} source */
    const shortUniforms = (source) => {
      const names = [...source.matchAll(/uniform \w+ ([^;]+);/g)].flatMap(([, list]) => list.match(/[a-z]\w*/gi));
      return new Map([...new Set(names)].filter((name) => name.length > 5).map((name, k) => [name, `u${k}`]));
    };
    const read = (/** @type {string} */ path) => readFile(path, "utf8");
    onLoad({ filter: /renderer\.js$/ }, async ({ path }) => {
      const short = shortUniforms(await read(join(dirname(path), "shaders.js")));
      const rename = (/** @type {string} */ _all, /** @type {string} */ name) => `uniforms.${short.get(name) ?? name}`;
      return { contents: (await read(path)).replace(/uniforms\.(\w+)/g, rename) };
    });
    onLoad({ filter: /shaders\.js$/ }, async ({ path }) => {
      const source = (await read(path))
        .replace(/\s*\/\/.*$/gm, "")
        .replace(/(?<!300 es)\n\s*/g, " ")
        .replace(/ ?([;,{}()=<>*+?:&|/-]) ?/g, "$1");
      const uniforms = [...source.matchAll(/uniform \w+ ([^;]+);/g)].flatMap(([, names]) => names.match(/[a-z]\w*/gi));
      const short = shortUniforms(source);
      const shorten = (/** @type {string} */ name) => {
        if (short.has(name)) return short.get(name);
        if (name.length < 3 || GLSL.test(name) || uniforms.includes(name)) return name;
        short.set(name, `_${short.size.toString(36)}`);
        return short.get(name);
      };
      // Names only, neither swizzles (".xyz") nor numbers.
      const contents = source.replace(/`[^`]*`/g, (shader) => shader.replace(/(?<![\w.])[a-z]\w*/gi, shorten));
      return { contents };
    });
  },
};

/** Globals that the bundles use often, under short names (runOnce declares them). None of the functions needs its `this`. */
const GLOBALS = [
  ...["max", "min", "round", "floor", "abs", "ceil", "sign", "hypot"].map((name) => `Math.${name}`),
  ...["Number.isFinite", "Array.isArray", "Array.from", "Object.assign", "Object.entries", "JSON.stringify"],
  ...["Math", "Number", "String", "Float32Array", "document", "globalThis", "setTimeout", "clearTimeout", "Error"],
];
/** @type {Record<string, string>} */
const SHORT = Object.fromEntries(GLOBALS.map((name, index) => [name, `$${index.toString(36)}`]));

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(here, "../notebook_explain/static");
/** Folder of each view and the size limit of its bundle, which is sent with every instance of the widget. */
const VIEWS = [
  { name: "tube_viewer", folder: "tubes", bytes: 80_000 },
  { name: "compare_viewer", folder: "compare", bytes: 90_000 },
  { name: "pyramid_viewer", folder: "pyramid", bytes: 115_000 },
];
/** @type {Record<string, number>} */
const LIMITS = Object.fromEntries(VIEWS.map(({ name, bytes }) => [`${name}.js`, bytes]));

const common = {
  absWorkingDir: here,
  bundle: true,
  target: "es2022",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  write: false,
  plugins: [shaders],
};
const built = await Promise.all([
  ...VIEWS.flatMap(({ name, folder }) => [
    build({ ...common, define: SHORT, stdin: entry(folder), outfile: join(target, `${name}.js`), format: "iife" }),
    build({ ...common, entryPoints: [`src/${folder}/${name}.css`], outdir: target, charset: "ascii" }),
  ]),
  build({ ...common, entryPoints: ["src/page/host.js"], outdir: target, format: "esm" }),
]);

/** Entry point that stores the view under `key`, where `runOnce` finds it; an export would need helper code. @param {string} folder */
function entry(folder) {
  return { contents: `import view from "./src/${folder}/index.js"; globalThis[key] = view;`, resolveDir: here };
}

/**
 * Wrap a bundle so that it runs once per page: a page imports the module again for every instance and never frees it. The
 * key is a hash of the code, so that two versions on one page stay apart.
 * @param {Uint8Array} contents
 */
function runOnce(contents) {
  const key = createHash("sha256").update(contents).digest("hex").slice(0, 16);
  const code = new TextDecoder().decode(contents).trim();
  const names = Object.entries(SHORT).map(([name, short]) => `${short}=${name}`);
  return Buffer.from(
    `const key=Symbol.for("notebook_explain ${key}");if(!globalThis[key]){const ${names};${code}}\n` +
      "export default globalThis[key];\n",
  );
}
const files = built.flatMap(({ outputFiles }) =>
  outputFiles.map(({ path, contents }) => ({
    name: basename(path),
    contents: basename(path) in LIMITS ? runOnce(contents) : contents,
  })),
);

const check = process.argv.includes("--check");
let failed = false;
if (!check) await mkdir(target, { recursive: true });
for (const { name, contents } of files) {
  if (contents.length > (LIMITS[name] ?? Number.POSITIVE_INFINITY)) {
    console.error(`${name} has ${contents.length} bytes; the limit is ${LIMITS[name]}`);
    failed = true;
  }
  if (check) {
    const committed = await readFile(join(target, name)).catch(() => null);
    if (!committed?.equals(contents)) {
      console.error(`${name} is out of date; run npm run build and commit it`);
      failed = true;
    }
  } else {
    await writeFile(join(target, name), contents);
    console.log(`${name} ${(contents.length / 1000).toFixed(1)} kB`);
  }
}
process.exitCode = failed ? 1 : 0;
