import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { httpCalls } from '@godwit/client/calls';
import { rolldown } from 'rolldown';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locked } from '../src/folder-lock.js';
import { ProfileFolder } from '../src/profile.js';
import { FakeApi } from './fake-api.js';

let api: FakeApi;
const used: string[] = [];
beforeEach(async () => {
  api = await FakeApi.start();
  used.length = 0;
  api.on('refreshToken', ({ refreshToken }) => {
    const old = String(refreshToken);
    if (used.includes(old)) return { status: 401, body: { reason: 'REFRESH_TOKEN_REUSED', message: 'used' } };
    used.push(old);
    const next = `refresh${String(used.length)}`;
    const accessExpiresAtMs = String(Date.now() + 900_000);
    return { tokens: { accessToken: `access${String(used.length)}`, accessExpiresAtMs, refreshToken: next } };
  });
});
afterEach(() => api.stop());

/** A program that asks a profile for a token, as each command does. */
async function bundledRenewal(): Promise<string> {
  const source = (name: string): string => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));
  const entry = join(api.home, 'renew.ts');
  await writeFile(
    entry,
    `import { ProfileFolder } from ${source('../src/profile.ts')};
     import { httpCalls } from ${source('../../client/src/calls.ts')};
     const [, , home, edge] = process.argv;
     const { token } = await new ProfileFolder('default', home).tokens(httpCalls([edge])).accessToken(false);
     process.send(token);
     process.disconnect();`,
  );
  const bundle = await rolldown({ input: entry, platform: 'node', resolve: { conditionNames: ['source', 'import'] } });
  const file = join(api.home, 'renew.mjs');
  await bundle.write({ file, format: 'esm' });
  await bundle.close();
  return file;
}

describe('a profile folder', () => {
  it('keeps who is signed in for its owner alone, and forgets on request', async () => {
    await api.signIn();
    const folder = api.folder();
    expect(await folder.read()).toMatchObject({ userName: 'alice' });
    expect((await stat(folder.path)).mode & 0o077).toBe(0);
    expect((await stat(join(folder.path, 'tokens.json'))).mode & 0o077).toBe(0);
    await folder.forget();
    await expect(folder.read()).rejects.toMatchObject({ code: 4 });
  });

  it('refuses names that lead elsewhere', () => {
    for (const name of ['..', '.', '../x', 'a/b', '', '.hidden', 'x'.repeat(65)]) {
      expect(() => new ProfileFolder(name, api.home), name).toThrow('is not a profile name');
    }
  });

  it('says what is broken', async () => {
    await api.signIn();
    await writeFile(join(api.folder().path, 'profile.json'), '{"half');
    await expect(api.folder().read()).rejects.toThrow('profile.json is broken');
  });

  it('exchanges a refresh token once, though several ask at once', async () => {
    await api.signIn(0);
    const sources = [1, 2, 3, 4, 5].map(() => api.folder().tokens(httpCalls([api.edge])));
    const tokens = await Promise.all(sources.map((source) => source.accessToken(false)));
    expect(new Set(tokens.map(({ token }) => token))).toEqual(new Set(['access1']));
    expect(used).toEqual(['refresh0']);
  });

  it('exchanges it once, though several processes ask at once', async () => {
    await api.signIn(0);
    const script = await bundledRenewal();
    const processes = [1, 2, 3].map(() => fork(script, [api.home, api.edge], { execArgv: [] }));
    const tokens = await Promise.all(processes.map(async (one) => (await once(one, 'message'))[0] as string));
    for (const one of processes) if (one.exitCode === null) await once(one, 'exit');
    expect(tokens).toEqual(['access1', 'access1', 'access1']);
    expect(used).toEqual(['refresh0']);
    const kept = JSON.parse(await readFile(join(api.folder().path, 'tokens.json'), 'utf8')) as unknown;
    expect(kept).toMatchObject({ refreshToken: 'refresh1' });
  });
});

describe('the lock', () => {
  it('lets one in at a time, and the next after one that failed', async () => {
    const lock = join(api.home, 'lock');
    let inside = 0;
    let most = 0;
    const work = async (fails: boolean): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 10));
      inside -= 1;
      if (fails) throw new Error('failed');
    };
    const done = await Promise.allSettled([true, false, false, true].map((fails) => locked(lock, () => work(fails))));
    expect(done.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(most).toBe(1);
  });

  it('of a process that died does not hold for ever', async () => {
    const lock = join(api.home, 'lock');
    await mkdir(lock);
    const old = new Date(Date.now() - 60_000);
    await utimes(lock, old, old);
    expect(await locked(lock, () => Promise.resolve('in'))).toBe('in');
  });
});
