// Bundles src/ into ../notebook_explain/static/, which is committed: nobody needs node to install the package.
// `node build.mjs --check` builds in memory and exits 1 when a committed file differs from its source.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Words of GLSL that the shaders use, and the attribute that the renderer binds by name: minifying leaves them alone. */
const GLSL =
  /^(abs|bool|break|clamp|const|corner|dot|else|es|false|float|for|gl_\w+|highp|if|in|int|length|lessThan|main|max|min|mix|normalize|out|pow|precision|return|sampler2DArray|sampler3D|sign|smoothstep|step|texture|true|uniform|vec[234]|version|void|while)$/;

/** Minify shaders: remove comments and blanks, shorten names. esbuild leaves template strings as they are. */
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
/** Folder of each view, and the size limit of its bundle: the code travels with every instance of the widget. */
const VIEWS = [
  { name: "tube_viewer", folder: "tubes", bytes: 60_000 },
  { name: "compare_viewer", folder: "compare", bytes: 60_000 },
  { name: "pyramid_viewer", folder: "pyramid", bytes: 90_000 },
];
/** @type {Record<string, number>} */
const LARGEST = Object.fromEntries(VIEWS.map(({ name, bytes }) => [`${name}.js`, bytes]));

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
  build({ ...common, entryPoints: ["src/host.js"], outdir: target, format: "esm" }),
]);

/** A script that stores the view where `once` looks for it; an export would need helper code. @param {string} folder */
function entry(folder) {
  return { contents: `import view from "./src/${folder}/index.js"; globalThis[key] = view;`, resolveDir: here };
}

/**
 * A page imports a widget's module anew for every instance, and never forgets one: so the code runs, and is compiled,
 * for the first instance only. The key is the code's own, so that two versions on a page do not meet.
 * @param {Uint8Array} contents
 */
function once(contents) {
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
    contents: basename(path) in LARGEST ? once(contents) : contents,
  })),
);

const check = process.argv.includes("--check");
let failed = false;
if (!check) await mkdir(target, { recursive: true });
for (const { name, contents } of files) {
  if (contents.length > (LARGEST[name] ?? Number.POSITIVE_INFINITY)) {
    console.error(`${name} has ${contents.length} bytes; at most ${LARGEST[name]} are allowed`);
    failed = true;
  }
  if (check) {
    const committed = await readFile(join(target, name)).catch(() => null);
    if (!committed?.equals(contents)) {
      console.error(`${name} is not what src/ builds to; run npm run build and commit it`);
      failed = true;
    }
  } else {
    await writeFile(join(target, name), contents);
    console.log(`${name} ${(contents.length / 1000).toFixed(1)} kB`);
  }
}
process.exitCode = failed ? 1 : 0;
