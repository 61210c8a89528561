import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, succeed } from './kubectl.js';

export interface Step {
  /** What follows `npx godwit`. */
  readonly args: readonly string[];
  /** The lines that the README shows below it. */
  readonly shown: readonly string[];
}

/** The blocks of a section of the README, in order; each its lines. */
export function blocksOf(title: string): string[][] {
  const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const [, section = ''] = text.split(`\n## ${title}\n`);
  const [own = ''] = section.split('\n## ');
  return [...own.matchAll(/\n```\n(.*?)\n```/gs)].map(([, block = '']) => block.split('\n'));
}

/** Every `$ npx godwit ...` of the README's section "Try it", in order. */
export function transcript(): Step[] {
  const steps: { args: string[]; shown: string[] }[] = [];
  for (const block of blocksOf('Try it')) {
    const isTranscript = block.some((line) => line.startsWith('$ npx godwit'));
    for (const line of block) {
      const command = /^\$ npx godwit (.*)$/.exec(line)?.[1];
      if (command !== undefined) steps.push({ args: words(command), shown: [] });
      else if (isTranscript) steps.at(-1)?.shown.push(line);
    }
  }
  return steps;
}

/** Runs every `sh` block of a page of docs/runbooks, in order, as its reader would. */
export async function follow(page: string): Promise<void> {
  const text = readFileSync(path.join(ROOT, 'docs/runbooks', page), 'utf8');
  const blocks = [...text.matchAll(/\n```sh\n(.*?)\n```/gs)].map(([, block = '']) => block);
  if (blocks.length === 0) throw new Error(`${page} has no command`);
  for (const block of blocks) await succeed('bash', ['-euo', 'pipefail', '-c', block]);
}

function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** A line without what is another at every run: times, ids, codes, addresses of edges, how far a tick has come. */
export function timeless(line: string): string {
  return line
    .replace(/^(> )+/, '')
    .replace(/\b\d\d:\d\d\b/g, 'hh:mm')
    .replace(/g:[a-z2-7]{26}/g, 'g:id')
    .replace(/Code: \d+/g, 'Code: ')
    .replace(/wss?:\/\/\S+/g, 'edge')
    .replace(/ ✓+$/, '')
    .replace(/ +/g, ' ')
    .trim();
}
