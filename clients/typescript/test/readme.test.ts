import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = new URL("../../", import.meta.url);

test("the blocks of the README compile", () => {
  const text = readFileSync(new URL("README.md", ROOT), "utf8");
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(
    ([, code = ""]) => code,
  );
  assert.ok(blocks.length > 3);
  // Below the package, so that it finds itself by its name.
  const directory = new URL("dist/readme/", ROOT);
  mkdirSync(directory, { recursive: true });
  const files = blocks.map((code, index) => {
    const file = fileURLToPath(new URL(`block${index}.ts`, directory));
    writeFileSync(file, code);
    return file;
  });
  assert.deepEqual(complaints(files), []);
});

/** What the compiler says of a user's files, against our published types. */
function complaints(files: string[]): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
  };
  const program = ts.createProgram(files, options);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
