// Bundles src/ into ../notebook_explain/static/. The bundles are committed, so that installing the package needs no Node.
// `node build.mjs --check` builds in memory and exits with 1 if a committed bundle is out of date.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Names that the shader minifier keeps: the GLSL words in use, and the attribute that renderer.js binds by name. */
const GLSL =
  /^(abs|bool|break|clamp|const|corner|dot|else|es|false|float|floor|for|gl_\w+|highp|if|in|int|length|lessThan|main|max|min|mix|normalize|out|pow|precision|return|sampler2DArray|sampler3D|sign|smoothstep|step|texture|true|uniform|vec[234]|version|void|while)$/;

/** Minify the shaders, which esbuild leaves alone as template strings: remove comments and blanks, shorten names. */
const shaders = {
  name: "shaders",
  setup({ onLoad }) {
    onLoad({ filter: /shaders\.js$/ }, async ({ path }) => {
      const source = (await readFile(path, "utf8"))
        .replace(/\s*\/\/.*$/gm, "")
        .replace(/(?<!300 es)\n\s*/g, " ")
        .replace(/ ?([;,{}()=<>*+?:&|/-]) ?/g, "$1");
      const uniforms = [...source.matchAll(/uniform \w+ ([^;]+);/g)].flatMap(([, names]) => names.match(/[a-z]\w*/gi));
      /** @type {Map<string, string>} */
      const short = new Map();
      const shorten = (/** @type {string} */ name) => {
        if (name.length < 3 || GLSL.test(name) || uniforms.includes(name)) return name;
        if (!short.has(name)) short.set(name, `_${short.size.toString(36)}`);
        return short.get(name);
      };
      // Names only, neither swizzles (".xyz") nor numbers.
      const contents = source.replace(/`[^`]*`/g, (shader) => shader.replace(/(?<![\w.])[a-z]\w*/gi, shorten));
      return { contents };
    });
  },
};

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(here, "../notebook_explain/static");
/** Folder of each view, and the size limit of its bundle as it is sent with every instance of the widget: compressed. */
const VIEWS = [
  { name: "tube_viewer", folder: "tubes", bytes: 50_000 },
  { name: "compare_viewer", folder: "compare", bytes: 55_000 },
  { name: "pyramid_viewer", folder: "pyramid", bytes: 75_000 },
  { name: "concept_viewer", folder: "concepts", bytes: 20_000 },
  { name: "visualization_viewer", folder: "visualization", bytes: 20_000 },
  { name: "explorer", folder: "explorer", bytes: 92_000 },
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
    build({ ...common, stdin: entry(folder), outfile: join(target, `${name}.js`), format: "iife" }),
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
  return Buffer.from(
    `const key=Symbol.for("notebook_explain ${key}");if(!globalThis[key]){${code}}\n` +
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
  const sent = name in LIMITS ? gzipSync(contents, { level: 9 }).toString("base64").length : contents.length;
  if (sent > (LIMITS[name] ?? Number.POSITIVE_INFINITY)) {
    console.error(`${name} has ${sent} bytes when it is sent; the limit is ${LIMITS[name]}`);
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
    const size = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
    console.log(`${name} ${size(contents.length)}${sent < contents.length ? `, sent as ${size(sent)}` : ""}`);
  }
}
process.exitCode = failed ? 1 : 0;
