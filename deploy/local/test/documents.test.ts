import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { describe, expect, it } from 'vitest';

const PASSED_OVER = /^(\.|node_modules$|dist$)/;

const filesIn = (folder: string): string[] =>
  readdirSync(path.join(PROJECT_ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (PASSED_OVER.test(entry.name)) return [];
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? filesIn(file) : [file];
  });

/** Every Markdown file of the project, by its path from the root. */
const documents = filesIn('.').filter((file) => file.endsWith('.md'));

const textOf = (file: string): string =>
  readFileSync(path.join(PROJECT_ROOT, file), 'utf8')
    .replaceAll(/^(```+)[^]*?^\1 *$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''));

/** The anchors that GitHub gives to headings. */
const anchorsOf = (file: string): Set<string> => {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of textOf(file).matchAll(/^#{1,6} +(.*)$/gm)) {
    const words = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    anchors.add(before === 0 ? slug : `${slug}-${String(before)}`);
  }
  return anchors;
};

const linksOf = (file: string): string[] =>
  [...textOf(file).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) =>
    /^[a-z]+:/.test(target) ? [] : [target],
  );

/** What a link leads to, from the root; a folder stands for its README. */
const targetOf = (from: string, link: string): string => {
  const file = path.join(path.dirname(from), link.replace(/#.*$/, ''));
  const isFolder = existsSync(path.join(PROJECT_ROOT, file)) && statSync(path.join(PROJECT_ROOT, file)).isDirectory();
  return isFolder && existsSync(path.join(PROJECT_ROOT, file, 'README.md')) ? path.join(file, 'README.md') : file;
};

const isBroken = (from: string, link: string): boolean => {
  const [place, anchor] = link.split('#');
  const target = place === '' ? from : targetOf(from, link);
  if (!existsSync(path.join(PROJECT_ROOT, target))) return true;
  return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
};

describe('documents', () => {
  it.for(documents)('%s links to what is there', (file) => {
    expect(linksOf(file).filter((link) => isBroken(file, link))).toEqual([]);
  });

  it('every runbook is in the list of docs/runbooks/README.md, and nothing else is', () => {
    const index = 'docs/runbooks/README.md';
    const listed = linksOf(index).map((link) => targetOf(index, link));
    const pages = documents.filter((file) => path.dirname(file) === 'docs/runbooks' && file !== index);
    expect(pages.filter((page) => !listed.includes(page))).toEqual([]);
  });
});
