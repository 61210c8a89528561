import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectl, ROOT, run, succeed } from './kubectl.js';

const OVERLAYS = ['ci', 'dev', 'prod', 'staging'];

const DASHBOARDS = readdirSync(path.join(ROOT, 'observability/dashboards')).filter((name) => name.endsWith('.json'));

/** What of kube-score does not fit, and why. */
const IGNORED = [
  // Tags are a version and a commit, and never move.
  '--ignore-test=container-image-pull-policy',
  // CPU has requests only: throttling would show as latency of every message (k8s/README.md).
  '--ignore-container-cpu-limit',
];

const build = (overlay: string): Promise<string> => succeed('kubectl', ['kustomize', `k8s/overlays/${overlay}`]);

describe('every overlay', () => {
  beforeAll(async () => {
    // What the dry runs need to be there: namespaces, and the kinds of cert-manager and the Prometheus operator.
    await kubectl('apply', '--server-side', '-f', 'tests/cluster/crds');
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
    const namespaces = ['k8s/base/fleet', 'k8s/components/data-namespace/namespace.yaml'];
    for (const [index, from] of namespaces.entries())
      await kubectl('apply', '--server-side', index === 0 ? '-k' : '-f', from);
  });

  it('is tested here', async () => {
    expect((await readdir(path.join(ROOT, 'k8s/overlays'))).sort()).toEqual(OVERLAYS);
  });

  it.each(OVERLAYS)('%s is taken by the API server, without a warning', async (overlay) => {
    const args = ['apply', '--server-side', '--dry-run=server', '--warnings-as-errors', '-f', '-'];
    const { code, stderr } = await run('kubectl', args, await build(overlay));
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  it('would be refused without the restrictions', async () => {
    const weaker = (await build('ci')).replaceAll('runAsNonRoot: true', 'runAsNonRoot: false');
    const args = ['apply', '--server-side', '--dry-run=server', '--warnings-as-errors', '-f', '-'];
    const { code, stderr } = await run('kubectl', args, weaker);
    expect(code).not.toBe(0);
    expect(stderr).toContain('would violate PodSecurity "restricted');
  });

  it.each(OVERLAYS)('%s has nothing critical for kube-score', async (overlay) => {
    const { code, stdout } = await run('kube-score', ['score', ...IGNORED, '-o', 'ci', '-'], await build(overlay));
    expect(stdout.split('\n').filter((line) => line.startsWith('[CRITICAL]'))).toEqual([]);
    expect(code).toBe(0);
  });

  it.each(OVERLAYS)('%s names as many nodes as it has replicas', async (overlay) => {
    const text = await build(overlay);
    for (const service of ['message-store', 'router', 'session']) {
      const variable = `GODWIT_${service.toUpperCase().replaceAll('-', '_')}_NODES`;
      const [line] = new RegExp(`^ +${variable}: .*$`, 'm').exec(text) ?? [''];
      const names = [...line.matchAll(/([\w-]+)=[\w-]+\./g)].map(([, name]) => name);
      const documents = text.split(/^---$/m);
      const workload = documents.find(
        (one) => one.includes('kind: StatefulSet') && one.includes(`\n  name: ${service}\n`),
      );
      const replicas = Number(/\n {2}replicas: (\d+)/.exec(workload ?? '')?.[1]);
      expect(names).toEqual(Array.from({ length: replicas }, (_, index) => `${service}-${String(index)}`));
    }
  });
});

it.each(DASHBOARDS)('Grafana knows everything in %s', async (file) => {
  const { code, stderr } = await run('check-dashboards', [path.join('observability/dashboards', file)]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
});
