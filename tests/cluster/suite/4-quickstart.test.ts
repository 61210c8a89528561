import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, ROOT, SCRATCH, run } from './kubectl.js';
import { bringClusterServices, deleteFleet, deleteVolumes } from './surroundings.js';
import { blocksOf, type } from './transcript.js';

/** Of the README: what brings the fleet up, and what its first people do. */
const [deploying = [], trying = []] = blocksOf('On Kubernetes');

describe('the quickstart of the README, with kubectl alone', () => {
  beforeAll(async () => {
    await deleteFleet();
    await bringClusterServices();
  });

  afterAll(async () => {
    await deleteFleet();
    await deleteVolumes();
  });

  it('builds the images, and gives them to the nodes', () => {
    // run.sh has done both, with the first line and with what its nodes take instead of kind.
    expect(deploying[0]).toMatch(/^GODWIT_IMAGE_PREFIX=docker.io\/godwit GODWIT_IMAGE_TAG=dev .* deploy\/build.sh$/);
    expect(deploying[1]).toContain('kind load image-archive');
  });

  it.each(deploying.slice(2))(
    '%s',
    async (line) => {
      await type(line);
    },
    660_000,
  );

  it('has its volumes and its certificates from the cluster', async () => {
    const claims = await kubectl('-n', 'godwit-data', 'get', 'persistentvolumeclaims', '-o', 'jsonpath={..phase}');
    expect(new Set(claims.split(' '))).toEqual(new Set(['Bound']));
    const ready = await kubectl(
      'get',
      'certificates',
      '-A',
      '-o',
      'jsonpath={..conditions[?(@.type=="Ready")].status}',
    );
    expect(new Set(ready.split(' '))).toEqual(new Set(['True']));
  });

  it('three people chat', async () => {
    const [forward = '', seed = '', chat = ''] = trying;
    const variables = { GODWIT_HOME: await mkdtemp(path.join(SCRATCH, 'home-')), NO_COLOR: '1' };
    expect(forward).toMatch(/ &$/);
    const tunnel = spawn('bash', ['-c', `exec ${forward.replace(/ &$/, '')}`], { cwd: ROOT, stdio: 'pipe' });
    let said = '';
    tunnel.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      await waitFor(() => said.includes('Forwarding from'), { timeoutMs: 20_000, what: 'the port of the edge' });
      expect(await type(seed, { variables })).toContain('Hello from Tilt');
      // The seed is there already: nothing is done twice.
      expect(await type(seed, { variables })).toContain('carol is there');
      expect(await type(`${chat} </dev/null`, { variables })).toContain('Hello from Tilt');
    } finally {
      tunnel.kill();
    }
  });

  it('is brought up again without a change', async () => {
    const apply = deploying.find((line) => line.startsWith('kubectl apply')) ?? '';
    await kubectl('-n', 'godwit', 'delete', 'job', 'setup');
    await type(apply);
    const { stdout } = await run('kubectl', ['diff', '--server-side', '-k', 'k8s/overlays/dev']);
    expect(stdout).toBe('');
  });
});
