import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Ran } from '@godwit/testkit/run-program';
import { ROOT, run, succeed } from './kubectl.js';

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

/** The blocks of a page of docs/runbooks, in order. */
function blocksIn(page: string): { language: string; text: string }[] {
  const text = readFileSync(path.join(ROOT, 'docs/runbooks', page), 'utf8');
  const found = text.matchAll(/\n *```(\w*)\n(.*?)\n *```/gs);
  return [...found].map(([, language = '', block = '']) => ({ language, text: block }));
}

/** The one block of a page of docs/runbooks with this in it. */
export function blockOf(page: string, part: string): string {
  const [found, ...more] = blocksIn(page).filter(({ text }) => text.includes(part));
  if (found === undefined || more.length > 0) throw new Error(`${page} has ${String(more.length)} more or no ${part}`);
  return found.text;
}

interface Desk {
  readonly folder?: string;
  /** What the page leaves to its reader. */
  readonly variables?: Readonly<Record<string, string>>;
}

const inShell = (block: string, { folder = ROOT, variables = {} }: Desk): string[] => {
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return [`--chdir=${folder}`, ...assignments, 'bash', '--norc', '-euo', 'pipefail', '-c', block];
};

/** What a shell says to a block. */
export const type = (block: string, desk: Desk = {}): Promise<string> => succeed('env', inShell(block, desk));

/** The same of one that may fail. */
export const attempt = (block: string, desk: Desk = {}): Promise<Ran> => run('env', inShell(block, desk));

/** Runs every `sh` block of a page of docs/runbooks, in order, as its reader would. */
export async function follow(page: string): Promise<void> {
  const blocks = blocksIn(page).filter(({ language }) => language === 'sh');
  if (blocks.length === 0) throw new Error(`${page} has no command`);
  for (const { text } of blocks) await type(text);
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
