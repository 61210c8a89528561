import { mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, run, SCRATCH, succeed } from './kubectl.js';

describe('the Tiltfile', () => {
  let rendered = '';

  beforeAll(async () => {
    rendered = path.join(SCRATCH, 'dev.yaml');
    await writeFile(rendered, await succeed('kubectl', ['kustomize', 'k8s/overlays/dev']));
  });

  it('runs, and all that it names is there', async () => {
    expect(await succeed('check-tiltfile', [ROOT, rendered])).toMatch(/^\d+ calls, 13 workloads, 12 images\n$/);
  });

  it('is short', async () => {
    expect((await readFile(path.join(ROOT, 'Tiltfile'), 'utf8')).split('\n').length).toBeLessThan(120);
  });

  it.each([
    ["dockerfile='deploy/Dockerfile'", "dockerfile='deploy/Containerfile'", 'there is no deploy/Containerfile'],
    ["'services/' + name", "'servics/' + name", 'there is no servics/'],
    ["'godwit/' + name", "'godwits/' + name", 'no manifest has the image godwits/'],
    ["STORES = {'mongo'", "STORES = {'mango'", 'the manifests have no workload mango'],
    ['trigger_mode=TRIGGER_MODE_MANUAL', 'trigger=TRIGGER_MODE_MANUAL', 'has no argument trigger'],
    ["'npm run test:cluster'", "'npm run test:clusters'", 'has no script test:clusters'],
  ])('with %s instead of %s is found out', async (right, wrong, complaint) => {
    const copy = await mkdtemp(path.join(SCRATCH, 'tilt-'));
    const entries = (await readdir(ROOT)).filter((entry) => entry !== 'Tiltfile');
    await Promise.all(entries.map((entry) => symlink(path.join(ROOT, entry), path.join(copy, entry))));
    const text = await readFile(path.join(ROOT, 'Tiltfile'), 'utf8');
    expect(text).toContain(right);
    await writeFile(path.join(copy, 'Tiltfile'), text.replaceAll(right, wrong));
    const { code, stderr } = await run('check-tiltfile', [copy, rendered]);
    expect(code).toBe(1);
    expect(stderr).toContain(complaint);
  });
});
