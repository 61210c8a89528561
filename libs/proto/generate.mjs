// Generates libs/proto/src/gen from proto/ with buf, and docs/api; `--check` only says whether what is committed is fresh.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const gen = join(root, 'libs/proto/src/gen');
const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
const apiDocs = join(root, 'docs/generate-api.mjs');
const run = (command, args) => execFileSync(command, args, { cwd: root, env, stdio: 'inherit' });

if (process.argv.includes('--check')) {
  const before = mkdtempSync(join(tmpdir(), 'godwit-gen-'));
  try {
    cpSync(gen, before, { recursive: true });
    run('buf', ['generate']);
    run('diff', ['-rq', before, gen]);
    run('node', [apiDocs, '--check']);
  } finally {
    rmSync(before, { recursive: true, force: true });
  }
} else {
  run('buf', ['lint']);
  run('buf', ['generate']);
  run('node', [apiDocs]);
}
