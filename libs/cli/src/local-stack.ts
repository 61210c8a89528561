import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** What a local stack offers to clients. */
export interface LocalStack {
  readonly edges: readonly string[];
  /** host:port, for operators. */
  readonly routers?: readonly string[];
  readonly apiKey: string;
}

/** How to name a local stack, for messages that lack one. */
export const STACK_HINT = 'run inside a folder with a local stack, or set GODWIT_STATE_DIR to its --state-dir';

/** The stack that runs on the folder GODWIT_STATE_DIR, else on `.godwit` in this folder or in one above. */
export function findLocalStack(from = process.cwd(), env = process.env): LocalStack | undefined {
  const told = env['GODWIT_STATE_DIR'];
  if (told !== undefined && told !== '') return readStack(told);
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const found = readStack(join(folder, '.godwit'));
    if (found !== undefined || dirname(folder) === folder) return found;
  }
}

function readStack(stateDir: string): LocalStack | undefined {
  const file = join(stateDir, 'client.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LocalStack) : undefined;
}
