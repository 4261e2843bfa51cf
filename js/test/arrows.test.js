// The import arrows between the folders of src/: shared <- tubes <- pyramid, compare, concepts, visualization <- explorer.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
/** Folders that the files of each folder may import, besides their own. */
const ARROWS = {
  shared: [],
  tubes: ["shared"],
  pyramid: ["shared", "tubes"],
  compare: ["shared", "tubes"],
  concepts: ["shared", "tubes"],
  visualization: ["shared", "tubes"],
  explorer: ["shared", "tubes", "pyramid", "compare"],
  page: ["shared"],
};
const FILES = readdirSync(SOURCE, { recursive: true }).filter((path) => /\.(js|css)$/.test(path));
/** Relative paths in import and export statements, dynamic imports, `import("...")` types and CSS @import rules. */
const IMPORT = /(?:\bfrom|\bimport\s*\(|\bimport)\s*["'](\.[^"']*)["']/g;

const folderOf = (path) => path.split(sep)[0];

function importsOf(path) {
  const text = readFileSync(join(SOURCE, path), "utf8");
  return [...text.matchAll(IMPORT)].map(([, target]) => relative(SOURCE, join(SOURCE, dirname(path), target)));
}

test("every folder has its arrows, and no other is listed", () => {
  expect(new Set(FILES.map(folderOf))).toEqual(new Set(Object.keys(ARROWS)));
});

test.each(FILES)("%s imports only what its folder may", (path) => {
  const folder = folderOf(path);
  for (const target of importsOf(path)) {
    expect(FILES, `${path} imports ${target}`).toContain(target);
    expect([folder, ...ARROWS[folder]], `${path} imports ${target}`).toContain(folderOf(target));
  }
});

test("imports are found in every form", () => {
  expect(importsOf(join("tubes", "viewer.js"))).toContain(join("shared", "dom.js"));
  expect(importsOf(join("shared", "validate.js"))).toEqual([join("shared", "interpolate.js")]); // a type
  expect(importsOf(join("compare", "compare_viewer.css"))).toEqual([join("tubes", "tube_viewer.css")]);
});
