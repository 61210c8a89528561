import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

// Two versions of a service run side by side in every rollout: what is in proto/ must understand the last release, and be
// understood by it.

const ROOT = path.resolve(import.meta.dirname, '../../..');
const RELEASED = path.join(ROOT, 'libs/proto/released.binpb');

/** What buf has against contracts; nothing when they are compatible. */
const complaints = (folder: string): string => {
  const buf = path.join(ROOT, 'node_modules/.bin/buf');
  const { status, stdout, stderr } = spawnSync(buf, ['breaking', '--against', RELEASED], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status === 0).toBe(stdout === '');
  return stdout;
};

let folder = '';
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

type Change = readonly [before: string, after: string];

/** The contracts with one piece of session.proto changed. */
const contractsWith = (before: string, after: string): string => {
  folder = mkdtempSync(path.join(tmpdir(), 'godwit-contracts-'));
  for (const name of ['proto', 'buf.yaml']) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  const file = path.join(folder, 'proto/godwit/session/v1/session.proto');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(before);
  writeFileSync(file, text.replace(before, after));
  return folder;
};

describe('the contracts', { timeout: 30_000 }, () => {
  it('are compatible with the last release', () => {
    expect(complaints(ROOT)).toBe('');
  });

  it.each<[string, Change, string]>([
    ['a field with another number', ['uint32 handle = 4;', 'uint32 handle = 14;'], 'field "4"'],
    ['a field with another type', ['uint32 handle = 4;', 'string handle = 4;'], 'changed type'],
    ['a field with another name, which JSON has', ['uint32 handle = 4;', 'uint32 grip = 4;'], 'changed name'],
    ['a field that is gone, its number free', ['uint32 handle = 4;', ''], 'was deleted without reserving'],
    ['a call that is gone', ['rpc Lookup(LookupRequest) returns (LookupResponse);', ''], '"Lookup"'],
    ['a call that is a stream now', ['rpc Lookup(LookupRequest)', 'rpc Lookup(stream LookupRequest)'], 'streaming'],
    ['a service with another name', ['service SessionService', 'service SessionsService'], '"SessionService"'],
    ['a value that is gone', ['  EVICT_REASON_REVOKED = 2;\n', ''], 'EVICT_REASON_REVOKED'],
  ])('are not, with %s', (_, [before, after], complaint) => {
    expect(complaints(contractsWith(before, after))).toContain(complaint);
  });

  it.each<[string, Change]>([
    ['a field more', ['uint32 handle = 4;', 'uint32 handle = 4;\n  string region = 200;']],
    ['a field that is gone for good', ['uint32 handle = 4;', 'reserved 4;\n  reserved "handle";']],
    [
      'a call more',
      ['rpc Lookup(LookupRequest)', 'rpc Count(LookupRequest) returns (LookupResponse);\n  rpc Lookup(LookupRequest)'],
    ],
    ['a value more', ['EVICT_REASON_REVOKED = 2;', 'EVICT_REASON_REVOKED = 2;\n  EVICT_REASON_MOVED = 3;']],
  ])('are, with %s', (_, [before, after]) => {
    expect(complaints(contractsWith(before, after))).toBe('');
  });
});
