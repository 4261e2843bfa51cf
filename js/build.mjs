// Bundles src/ into ../notebook_explain/static/, which is committed: nobody needs node to install the package.
// `node build.mjs --check` builds in memory and exits 1 when a committed file differs from its source.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Shaders lie in template strings, which esbuild leaves as they are: their comments and blanks need not travel. */
const shaders = {
  name: "shaders",
  setup({ onLoad }) {
    onLoad({ filter: /shaders\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8"))
        .replace(/\s*\/\/.*$/gm, "")
        .replace(/(?<!300 es)\n\s*/g, " ")
        .replace(/ ?([;,{}()=<>*+?:]) ?/g, "$1"),
    }));
  },
};

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(here, "../notebook_explain/static");
const LARGEST = { "tube_viewer.js": 60_000 }; // bytes; the text travels with every instance of the widget

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/tube_viewer.js", "src/host.js"],
  outdir: target,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  write: false,
  plugins: [shaders],
});
const styles = await build({
  absWorkingDir: here,
  entryPoints: ["src/tube_viewer.css"],
  outdir: target,
  bundle: true,
  minify: true,
  legalComments: "none",
  write: false,
});

const check = process.argv.includes("--check");
let failed = false;
if (!check) await mkdir(target, { recursive: true });
for (const { path, contents } of [...outputFiles, ...styles.outputFiles]) {
  const name = basename(path);
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
