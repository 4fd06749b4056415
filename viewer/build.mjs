// Bundle the viewer into one classic inline script, and gather the licences of all it
// carries. `node build.mjs [folder]` writes elsewhere than into the Python package.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, "../src/theodolite/report"));

// `viewer.js`, and beside it `viewer.css` out of the style sheets that it imports.
const { metafile, outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  write: false,
  outfile: "viewer.js",
});

// Inside a page, `</script` and `<!--` would end or bend the script they stand in.
function safeInline(script) {
  return script.replaceAll(/<\/(?=script)/gi, "<\\/").replaceAll("<!--", "\\x3C!--");
}

function bundledPackages() {
  const output = metafile.outputs["viewer.js"];
  const used = Object.entries(output.inputs).filter(
    ([, part]) => part.bytesInOutput > 0,
  );
  const matches = used.map(([path]) =>
    /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path),
  );
  return [...new Set(matches.flatMap((match) => (match ? [match[1]] : [])))].sort();
}

async function licence(name) {
  const root = join(here, "node_modules", name);
  const file = (await readdir(root)).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} has no licence file: find it, or do without it`);
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const text = (await readFile(join(root, file), "utf8"))
    .replaceAll("\r\n", "\n")
    .trim();
  return `${name} ${manifest.version} (${manifest.license})\n\n${text}\n`;
}

const licences = await Promise.all(bundledPackages().map(licence));
const intro = "viewer.js carries parts of these packages, under these licences.\n";
const rule = `\n${"-".repeat(72)}\n\n`;
await mkdir(folder, { recursive: true });
const [script, style] = [".js", ".css"].map(
  (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text,
);
await writeFile(join(folder, "viewer.js"), safeInline(script));
await writeFile(join(folder, "viewer.css"), style);
await writeFile(join(folder, "LICENSES.txt"), [intro, ...licences].join(rule));
console.log(`${script.length + style.length} bytes, ${licences.length} packages`);
