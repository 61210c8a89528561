import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** What a local stack offers to clients. */
export interface LocalStack {
  readonly edges: readonly string[];
  /** host:port, for operators. */
  readonly routers?: readonly string[];
  readonly apiKey: string;
}

/** The stack that runs on `.godwit` in this folder, or in one above. */
export function findLocalStack(from = process.cwd()): LocalStack | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const file = join(folder, '.godwit', 'client.json');
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as LocalStack;
    if (dirname(folder) === folder) return undefined;
  }
}
